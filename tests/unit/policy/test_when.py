"""Expressions: what they mean, what they refuse, and that their work is bounded (threat 20)."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from gate.policy.when import compile_expression
from gate.policy.when_syntax import SyntaxProblem
from gate.policy.when_values import ExpressionError, NoSuchValue

NAMES: dict[str, Any] = {
    "payload": {
        "amount": 1450,
        "to": ["a@x.com", "b@y.org"],
        "nothing": None,
        "deep": {"a": {"b": 2}},
        "n": "7",
        "t": True,
    },
    "labels": {"region": "eu"},
    "context": {"sources": []},
    "agent": {"id": "agt_1", "name": "helper", "team": "support", "owner": "own"},
    "facts": {"risk": "high", "amount_usd": 14, "risk_tags": ["prod"]},
}


def value_of(text: str, **payload: Any) -> Any:
    return compile_expression(text)({**NAMES, "payload": {**NAMES["payload"], **payload}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("payload.amount / 100", 14.5, id="numbers of the action are doubles"),
        pytest.param("7 / 2", 3, id="integer division truncates"),
        pytest.param("-7 / 2", -3, id="toward zero"),
        pytest.param("-7 % 3", -1, id="sign of the left"),
        pytest.param("int(payload.amount) % 100", 50, id="int() for modulo"),
        pytest.param("1 + 2 * 3 - 4", 3, id="precedence"),
        pytest.param("(1 + 2) * 3", 9, id="parentheses"),
        pytest.param("1.0 / 0.0", math.inf, id="IEEE division"),
        pytest.param("'a' + 'b' == 'ab' && [1] + [2] == [1, 2]", True, id="joining"),
        pytest.param(
            "payload.amount == 1450 && payload.amount != 1450.5", True, id="numbers compare by value"
        ),
        pytest.param("1 == true || 'a' == 1", False, id="types differ"),
        pytest.param("{'a': [1, {'b': null}]} == {'a': [1.0, {'b': null}]}", True, id="deep equality"),
        pytest.param("has(payload.amount) && !has(payload.other)", True, id="has"),
        pytest.param("size(payload.to) == 2 && payload.to.size() == 2 && 'é€'.size() == 2", True, id="size"),
        pytest.param("payload.to.exists(r, r.endsWith('@y.org'))", True, id="exists"),
        pytest.param("payload.to.all(r, r.contains('@'))", True, id="all"),
        pytest.param("payload.to.exists_one(r, r.startsWith('a'))", True, id="exists_one"),
        pytest.param("payload.to.filter(r, r.matches(r'\\.com$'))", ("a@x.com",), id="filter"),
        pytest.param("[1, 2, 3].map(n, n > 1, n * 2)", (4, 6), id="map with a guard"),
        pytest.param("payload.deep.map(k, k)", ("a",), id="over a map"),
        pytest.param(
            "'a' in payload.deep && 'prod' in facts.risk_tags && !('x' in payload.to)", True, id="in"
        ),
        pytest.param("payload['deep']['a'].b", 2.0, id="index"),
        pytest.param("payload.to[0] + payload.to[1.0]", "a@x.comb@y.org", id="list index"),
        pytest.param("payload.amount > 1000 ? 'large' : 'small'", "large", id="ternary"),
        pytest.param(
            "string(payload.amount) + string(true) + string(1.5) + string(3)", "1450true1.53", id="string()"
        ),
        pytest.param("int('-12') + int(5.9) + int(-5.9)", -12, id="int()"),
        pytest.param("double(payload.n) + double(1)", 8.0, id="double()"),
        pytest.param("'ÄbC'.lowerAscii()", "Äbc", id="lowerAscii"),
        pytest.param("'\\u00e9\\n' == 'é\\x0a' && r'\\n' == '\\\\n'", True, id="escapes"),
        pytest.param("true || payload.other > 1", True, id="or absorbs on the right"),
        pytest.param("payload.other > 1 || true", True, id="or absorbs on the left"),
        pytest.param("payload.other > 1 && false", False, id="and absorbs"),
        pytest.param("[0, 1].exists(n, 1 / n > 0)", True, id="exists absorbs"),
        pytest.param("[0, 4].all(n, 1 / n > 0)", False, id="all absorbs"),
        pytest.param("-9223372036854775808", -(2**63), id="smallest integer"),
        pytest.param("0x10 + 1e1", 26.0, id="other numerals"),
        pytest.param("payload.nothing == null", True, id="null"),
    ],
)
def test_an_expression_has_this_value(text: str, value: Any) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("payload.other > 1", NoSuchValue, id="no field"),
        pytest.param("payload.other.deeper", NoSuchValue, id="no field before the field"),
        pytest.param("payload.to[5]", NoSuchValue, id="no item"),
        pytest.param("payload.nothing > 1", NoSuchValue, id="null has no order"),
        pytest.param("payload.nothing.x", NoSuchValue, id="null has no fields"),
        pytest.param("size(payload.nothing)", NoSuchValue, id="null has no size"),
        pytest.param("payload.amount > 'a'", ExpressionError, id="order across types"),
        pytest.param("payload.amount && true", ExpressionError, id="a number is not true"),
        pytest.param("1 / 0", ExpressionError, id="division by zero"),
        pytest.param("9223372036854775807 + 1", ExpressionError, id="overflow"),
        pytest.param("payload.amount % 2", ExpressionError, id="modulo of doubles"),
        pytest.param("payload.amount.x", ExpressionError, id="field of a number"),
        pytest.param("payload.to.matches('a')", ExpressionError, id="matches of a list"),
        pytest.param("int('1_0')", ExpressionError, id="int of odd text"),
        pytest.param("double('nan')", ExpressionError, id="double of nan"),
        pytest.param("string(payload.to)", ExpressionError, id="string of a list"),
        pytest.param("{1: 2, 1: 3}", ExpressionError, id="a key twice"),
        pytest.param("payload.other > 1 || 1 / 0 > 0", ExpressionError, id="the worse error is told"),
    ],
)
def test_an_expression_without_a_value_says_whether_one_is_missing(text: str, error: type[Exception]) -> None:
    with pytest.raises(ExpressionError) as raised:
        value_of(text)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("payload.a AND true", "write &&", id="AND"),
        pytest.param("payload.a = 1", "write == to compare", id="="),
        pytest.param("paylod.a", "did you mean 'payload'", id="name"),
        pytest.param("facts.amout_usd > 1", "did you mean 'amount_usd'", id="fact"),
        pytest.param("agent.nme == 'x'", "did you mean 'name'", id="agent field"),
        pytest.param("payload.a.startWith('x')", "did you mean 'startsWith'", id="method"),
        pytest.param("sise(payload)", "did you mean 'size'", id="function"),
        pytest.param(
            "payload.a.matches(payload.b)", "written as a plain string", id="pattern from the payload"
        ),
        pytest.param("payload.a.matches('(')", "is not RE2", id="broken pattern"),
        pytest.param("payload.a.matches('(?=a)')", "is not RE2", id="look-ahead"),
        pytest.param("payload.a.matches('" + "a" * 600 + "')", "may have 512 characters", id="long pattern"),
        pytest.param("payload.a.exists(payload.b, true)", "plain variable", id="macro variable"),
        pytest.param("[1].all(x, true) && x", "belongs to another macro", id="variable outside"),
        pytest.param("[1].all(payload, true)", "is a variable already", id="shadowing"),
        pytest.param("has(payload)", "has(a.b)", id="has of a name"),
        pytest.param("size(1, 2)", "takes 1 argument", id="arguments"),
        pytest.param("(" * 60 + "1" + ")" * 60, "nest", id="depth"),
        pytest.param("!" * 60 + "true", "nest", id="signs"),
        pytest.param("1 + " * 500 + "1", "characters|parts", id="size"),
        pytest.param("[1].all(a, [1].all(b, [1].all(c, true)))", "nest 2 deep", id="nested macros"),
        pytest.param("'abc", "unexpected", id="open string"),
        pytest.param("'\\ud800' == ''", "no character", id="surrogate"),
        pytest.param("", "expected a value", id="nothing"),
        pytest.param("for", "reserved", id="reserved"),
        pytest.param("99999999999999999999", "too large", id="huge integer"),
    ],
)
def test_an_expression_that_cannot_work_is_refused_at_load(text: str, says: str) -> None:
    with pytest.raises(SyntaxProblem, match=says.replace("(", "\\(").replace(")", "\\)")):
        compile_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("payload.many.all(a, payload.many.all(b, a != b || true))", id="a product"),
        pytest.param("payload.many.map(a, payload.long + payload.long).size() > 0", id="growing text"),
        pytest.param("payload.many.filter(a, payload.long.contains('y')).size() > 0", id="searching"),
        pytest.param("payload.many == payload.other", id="comparing"),
    ],
)
def test_work_is_bounded_whatever_the_payload(text: str) -> None:
    many = [f"item {n}" for n in range(60_000)]
    start = time.process_time()
    with pytest.raises(ExpressionError, match="steps of work"):
        value_of(text, many=many, other=[*many], long="x" * 100_000)
    assert time.process_time() - start < 5


def test_a_pattern_takes_linear_time() -> None:
    start = time.process_time()
    assert value_of("payload.long.matches('^(a+)+$')", long="a" * 200_000 + "b") is False
    assert time.process_time() - start < 5
