"""Expressions mean what they mean in another implementation of CEL, wherever both speak the same language.

Left out, because the two differ on purpose or by a defect of the other: an integer next to a double in arithmetic
(here the integer is read as a double, there it is refused), the length of text beyond ASCII (here characters, as
the language definition has it, there bytes), comparing what is not a number (false here, refused there), a double
as an index (allowed here where it is whole), and macros that meet an error before the item that decides (absorbed
here, as the definition has it, not there).
"""

from __future__ import annotations

import math
from typing import Any

import cel
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.policy.when import compile_expression
from gate.policy.when_values import ExpressionError

VARIABLES = {"payload": None}
TEXT = st.text(alphabet="ab@.x", max_size=4)
DOUBLES = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).map(lambda x: round(x, 3))
INTS = st.one_of(st.integers(-20, 20), st.sampled_from([2**63 - 1, -(2**62), 2**62]))

PAYLOADS = st.fixed_dictionaries(
    {"d": DOUBLES, "e": DOUBLES, "s": TEXT, "t": TEXT, "b": st.booleans()},
    optional={
        "list": st.lists(DOUBLES, max_size=4),
        "words": st.lists(TEXT, max_size=4),
        "map": st.dictionaries(TEXT, DOUBLES, max_size=3),
        "none": st.none(),
    },
)


def _quoted(text: str) -> str:
    return "'" + text + "'"


def doubles() -> st.SearchStrategy[str]:
    leaf = st.one_of(
        DOUBLES.map(lambda x: f"{x:.3f}" if x >= 0 else f"({x:.3f})"),
        st.sampled_from(
            ["payload.d", "payload.e", "payload.missing", "payload.map['a']", "double(3)", "double('2.5')"]
        ),
    )
    divisor = DOUBLES.filter(bool).map(lambda x: f"({x:.3f})")
    return st.recursive(
        leaf,
        lambda x: st.one_of(
            st.builds(lambda a, o, b: f"({a} {o} {b})", x, st.sampled_from("+-*"), x),
            st.builds(lambda a, b: f"({a} / {b})", x, divisor),
        ),
        max_leaves=4,
    )


def ints() -> st.SearchStrategy[str]:
    leaf = st.one_of(
        INTS.map(lambda n: str(n) if n >= 0 else f"({n})"),
        st.sampled_from(
            ["size(payload.s)", "size(payload.list)", "payload.words.size()", "int('12')", "int(payload.d)"]
        ),
    )
    return st.recursive(
        leaf,
        lambda x: st.builds(lambda a, o, b: f"({a} {o} {b})", x, st.sampled_from("+-*/%"), x),
        max_leaves=4,
    )


def strings() -> st.SearchStrategy[str]:
    leaf = st.one_of(
        TEXT.map(_quoted), st.sampled_from(["payload.s", "payload.t", "payload.words[0]", "payload.gone"])
    )
    return st.recursive(leaf, lambda x: st.builds(lambda a, b: f"({a} + {b})", x, x), max_leaves=3)


def booleans() -> st.SearchStrategy[str]:
    order = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    compare = st.one_of(
        *(st.builds(lambda a, o, b: f"({a} {o} {b})", x, order, x) for x in (doubles(), ints(), strings()))
    )
    mixed = st.builds(
        lambda a, o, b: f"({a} {o} {b})",
        st.one_of(doubles(), strings(), st.just("payload.b"), st.just("null")),
        st.sampled_from(["==", "!="]),
        st.one_of(ints(), strings(), st.just("payload.none")),
    )
    tests = st.one_of(
        st.sampled_from(
            [
                "payload.b",
                "true",
                "false",
                "has(payload.map)",
                "has(payload.list)",
                "payload.gone",
                "(payload.d in payload.list)",
                "(payload.s in payload.map)",
                "(payload.s in payload.words)",
                "payload.list.all(x, x >= 0.0)",
                "payload.list.exists(x, x > payload.d)",
                "payload.words.exists_one(w, w == payload.s)",
                "(payload.words.filter(w, w != 'a') == payload.words)",
                "(payload.list.map(x, x * 2.0) == payload.list)",
                "payload.words.all(w, payload.words.exists(v, v == w))",
                "({'a': 1, 'b': [1, 2]} == {'b': [1, 2], 'a': 1})",
            ]
        ),
        st.builds(
            lambda a, f, b: f"{a}.{f}({b})",
            strings(),
            st.sampled_from(["startsWith", "endsWith", "contains"]),
            strings(),
        ),
        st.builds(
            lambda a, p: f"{a}.matches({_quoted(p)})",
            strings(),
            st.sampled_from(["^a", "b+$", "[@.]", "x|ab"]),
        ),
    )
    return st.recursive(
        st.one_of(compare, mixed, tests),
        lambda x: st.one_of(
            st.builds(lambda a, o, b: f"({a} {o} {b})", x, st.sampled_from(["&&", "||"]), x),
            x.map(lambda a: f"!{a}"),
            st.builds(lambda a, b, c: f"({a} ? {b} : {c})", x, x, x),
        ),
        max_leaves=6,
    )


def ours(text: str, payload: dict[str, Any]) -> Any:
    try:
        return compile_expression(text, VARIABLES)({"payload": payload})
    except ExpressionError:
        return "error"


def theirs(text: str, payload: dict[str, Any]) -> Any:
    try:
        return cel.evaluate(text, {"payload": payload})
    except Exception:
        return "error"


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (
            one == other or (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-12)
        )
    return type(one) is type(other) and one == other


@settings(max_examples=600, deadline=None)
@given(text=st.one_of(booleans(), doubles(), ints(), strings()), payload=PAYLOADS)
def test_both_implementations_agree_on_the_value_or_that_there_is_none(
    text: str, payload: dict[str, Any]
) -> None:
    one, other = ours(text, payload), theirs(text, payload)
    assert same(one, other), f"{text} over {payload}: here {one!r}, there {other!r}"
