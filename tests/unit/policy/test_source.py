"""YAML is read without its surprises (threat 19), and every refusal has a line."""

from __future__ import annotations

from typing import Any

import pytest

from gate.policy.documents import Document, PolicyError
from gate.policy.source import read


def value_of(text: str) -> Any:
    return read(Document(name="x.yaml", text=text)).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: no", {"a": "no"}, id="no is text"),
        pytest.param("a: on", {"a": "on"}, id="on is text"),
        pytest.param("a: yes", {"a": "yes"}, id="yes is text"),
        pytest.param("a: 12:30", {"a": "12:30"}, id="sexagesimal is text"),
        pytest.param("a: 2026-01-01", {"a": "2026-01-01"}, id="a date is text"),
        pytest.param("a: 0o17", {"a": "0o17"}, id="octal is text"),
        pytest.param("a: 017", {"a": "017"}, id="leading nought is text"),
        pytest.param("a: 0x1F", {"a": "0x1F"}, id="hexadecimal is text"),
        pytest.param("a: 1_000", {"a": "1_000"}, id="underscores are text"),
        pytest.param("a: e5", {"a": "e5"}, id="a bare exponent is text"),
        pytest.param("a: -1.5e3", {"a": -1500.0}, id="a float"),
        pytest.param("a: .5", {"a": 0.5}, id="a float without a whole part"),
        pytest.param("a: +7", {"a": 7}, id="a signed integer"),
        pytest.param("a: 'true'", {"a": "true"}, id="quoted stays text"),
        pytest.param("a: true", {"a": True}, id="true"),
        pytest.param("a: ~", {"a": None}, id="null"),
        pytest.param('{"a": [1, 2.0, "x", null, false]}', {"a": [1, 2.0, "x", None, False]}, id="JSON"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_scalars_are_what_json_would_make_of_them(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("a: 1\nb: 2\na: 3", 3, "key 'a' is given twice (first on line 1)", id="duplicate key"),
        pytest.param("a: &x 1\nb: 2", 1, "anchor '&x'", id="anchor"),
        pytest.param("a: 1\nb: *x", 2, "alias", id="alias"),
        pytest.param("a: !!python/object:os.system x", 1, "tag", id="tag"),
        pytest.param("a:\n  <<: {b: 1}", 2, "merge key", id="merge key"),
        pytest.param("a: 1\n---\nb: 2", 2, "several YAML documents", id="two documents"),
        pytest.param("a: .nan", 1, "only finite numbers", id="NaN"),
        pytest.param("a: -.inf", 1, "only finite numbers", id="infinity"),
        pytest.param("a: 1e999", 1, "too large", id="overflow"),
        pytest.param("a: 9007199254740993", 1, "integers beyond", id="unsafe integer"),
        pytest.param("? [a]\n: 1", 1, "a key must be plain text", id="complex key"),
        pytest.param("[" * 60 + "]" * 60, 1, "nested more than", id="depth"),
        pytest.param("a: [1,\n", 2, "", id="broken"),
        pytest.param("a: \ud800", 1, "lone surrogate", id="surrogate"),
        pytest.param("a: '" + "x" * (4 * 1024 * 1024) + "'", 1, "over 4 MiB", id="size"),
    ],
)
def test_surprises_are_refused_with_their_line(text: str, line: int, says: str) -> None:
    with pytest.raises(PolicyError) as refused:
        value_of(text)
    (problem,) = refused.value.problems
    assert (problem.file, problem.line) == ("x.yaml", line)
    assert says in problem.message


def test_lines_are_known_for_every_key_and_item() -> None:
    source = read(Document(name="x.yaml", text="a:\n  - b: 1\n  - c: 2\n"))
    assert source.line(("a", 1, "c")) == 3
    assert source.line(("a", 1, "missing")) == 3
    assert source.line(()) == 1
