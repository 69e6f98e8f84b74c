"""The grammar of expressions: text to a small tree, within bounds; what a tree evaluates to is `when`'s business.

A subset of the Common Expression Language (https://github.com/google/cel-spec, doc/langdef.md): literals, lists,
maps, field and index access, operators, `has()`, conversions, string methods and the macros `exists`, `all`,
`exists_one`, `filter`, `map`. No bytes, unsigned integers, types, timestamps or messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gate.policy.documents import did_you_mean
from gate.policy.when_tokens import SyntaxProblem, Token, tokens, unquoted

MAX_CHARACTERS = 2_000
MAX_NODES = 400
MAX_DEPTH = 40
MAX_NESTED_MACROS = 2

MACROS = ("exists", "all", "exists_one", "filter", "map")
METHODS = {"startsWith": 1, "endsWith": 1, "contains": 1, "matches": 1, "lowerAscii": 0, "size": 0}
FUNCTIONS = {"size": 1, "string": 1, "int": 1, "double": 1}
RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`target.field`; with `test` the macro `has(target.field)`."""

    target: Node
    field: str
    test: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    target: Node
    index: Node


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """An operator, function or method; for a method the receiver is the first argument."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Macro:
    """`over.kind(variable, body)`; `guard` is the filter of a three-argument `map`."""

    kind: str
    over: Node
    variable: str
    body: Node
    guard: Node | None = None


Node = Literal | Name | Select | Index | ListOf | MapOf | Call | Condition | Macro

_WRITTEN_ELSEWHERE = {"and": "&&", "or": "||", "not": "!"}


def parse(text: str) -> Node:
    """The tree of an expression. Raises `SyntaxProblem`."""
    if len(text) > MAX_CHARACTERS:
        raise SyntaxProblem(f"an expression may have {MAX_CHARACTERS} characters, this one has {len(text)}")
    return _Parser(list(tokens(text))).whole()


def walk(node: Node) -> Iterator[Node]:
    """Every node of a tree, parents first."""
    yield node
    match node:
        case Select(target=target):
            yield from walk(target)
        case Index(target=target, index=index):
            yield from walk(target)
            yield from walk(index)
        case ListOf(items=items) | Call(arguments=items):
            for item in items:
                yield from walk(item)
        case MapOf(entries=entries):
            for key, value in entries:
                yield from walk(key)
                yield from walk(value)
        case Condition(test=test, then=then, otherwise=otherwise):
            yield from walk(test)
            yield from walk(then)
            yield from walk(otherwise)
        case Macro(over=over, body=body, guard=guard):
            yield from walk(over)
            if guard is not None:
                yield from walk(guard)
            yield from walk(body)
        case _:
            return


class _Parser:
    """Recursive descent, one method per level of precedence."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.nodes = 0
        self.macros = 0

    def whole(self) -> Node:
        node = self._ternary()
        token = self._peek()
        if token.kind != "end":
            instead = _WRITTEN_ELSEWHERE.get(token.text.lower())
            hint = f" (write {instead})" if instead else ""
            raise SyntaxProblem(f"unexpected '{token.text}' at character {token.at + 1}{hint}")
        return node

    def _peek(self) -> Token:
        return self.tokens[self.position]

    def _take(self, text: str) -> bool:
        token = self.tokens[self.position]
        if token.kind == "op" and token.text == text:
            self.position += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            token = self._peek()
            found = f"'{token.text}'" if token.text else "the end"
            raise SyntaxProblem(f"expected '{text}' at character {token.at + 1}, found {found}")

    def _made(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise SyntaxProblem(f"an expression may have {MAX_NODES} parts")
        return node

    def _ternary(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise SyntaxProblem(f"an expression may nest {MAX_DEPTH} deep")
        test = self._binary(0)
        if self._take("?"):
            then = self._binary(0)
            self._expect(":")
            test = self._made(Condition(test, then, self._ternary()))
        self.depth -= 1
        return test

    _LEVELS = (
        frozenset({"||"}),
        frozenset({"&&"}),
        frozenset({"<", "<=", ">=", ">", "==", "!=", "in"}),
        frozenset({"+", "-"}),
        frozenset({"*", "/", "%"}),
    )

    def _binary(self, level: int) -> Node:
        if level == len(self._LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while True:
            token = self._peek()
            if token.text not in self._LEVELS[level] or token.kind not in ("op", "word"):
                return left
            self.position += 1
            left = self._made(Call(token.text, (left, self._binary(level + 1))))

    def _unary(self) -> Node:
        signs: list[str] = []
        while self._peek().text in ("!", "-") and self._peek().kind == "op":
            signs.append(self._peek().text)
            self.position += 1
            if len(signs) > MAX_DEPTH:
                raise SyntaxProblem(f"an expression may nest {MAX_DEPTH} deep")
        node: Node
        if signs and signs[-1] == "-" and self._peek().kind == "int" and self._peek().text.lstrip("0"):
            token = self._peek()
            number = int(token.text, 0) if token.text.startswith("0x") else int(token.text)
            if number == 2**63:
                signs.pop()
                self.position += 1
                node = self._members(Literal(-number))
            else:
                node = self._members(self._primary())
        else:
            node = self._members(self._primary())
        for sign in reversed(signs):
            node = self._made(Call("!" if sign == "!" else "negate", (node,)))
        return node

    def _members(self, node: Node) -> Node:
        while True:
            if self._take("."):
                token = self._peek()
                if token.kind != "word":
                    raise SyntaxProblem(f"expected a name after '.' at character {token.at + 1}")
                self.position += 1
                node = (
                    self._method(node, token.text)
                    if self._take("(")
                    else self._made(Select(node, token.text))
                )
            elif self._take("["):
                index = self._ternary()
                self._expect("]")
                node = self._made(Index(node, index))
            else:
                return node

    def _method(self, receiver: Node, name: str) -> Node:
        if name in MACROS:
            return self._macro(receiver, name)
        arguments = self._arguments(")")
        if name not in METHODS:
            raise SyntaxProblem(f"unknown method {name}(){did_you_mean(name, (*METHODS, *MACROS))}")
        if len(arguments) != METHODS[name]:
            raise SyntaxProblem(f"{name}() takes {METHODS[name]} argument(s), not {len(arguments)}")
        return self._made(Call(name, (receiver, *arguments)))

    def _macro(self, receiver: Node, name: str) -> Node:
        self.macros += 1
        if self.macros > MAX_NESTED_MACROS:
            raise SyntaxProblem(f"macros may nest {MAX_NESTED_MACROS} deep")
        arguments = self._arguments(")")
        self.macros -= 1
        wanted = (2, 3) if name == "map" else (2,)
        if len(arguments) not in wanted or not isinstance(arguments[0], Name):
            raise SyntaxProblem(f"write {name}(x, …) with a plain variable and an expression over it")
        guard = arguments[1] if len(arguments) == 3 else None
        return self._made(Macro(name, receiver, arguments[0].name, arguments[-1], guard))

    def _arguments(self, closing: str) -> list[Node]:
        arguments: list[Node] = []
        while not self._take(closing):
            if arguments:
                self._expect(",")
                if closing != ")" and self._take(closing):
                    break
            arguments.append(self._ternary())
        return arguments

    def _primary(self) -> Node:
        token = self._peek()
        self.position += 1
        if token.kind == "string":
            return self._made(Literal(unquoted(token.text)))
        if token.kind == "double":
            number = float(token.text)
            if number == float("inf"):
                raise SyntaxProblem(f"{token.text} is too large for a number")
            return self._made(Literal(number))
        if token.kind == "int":
            whole = int(token.text, 16 if token.text.startswith("0x") else 10)
            if whole > 2**63 - 1:
                raise SyntaxProblem(f"{token.text} is too large for an integer")
            return self._made(Literal(whole))
        if token.kind == "word":
            return self._word(token)
        if token.text == "(":
            node = self._ternary()
            self._expect(")")
            return node
        if token.text == "[":
            return self._made(ListOf(tuple(self._arguments("]"))))
        if token.text == "{":
            return self._map()
        found = f"'{token.text}'" if token.text else "the end"
        raise SyntaxProblem(f"expected a value at character {token.at + 1}, found {found}")

    def _word(self, token: Token) -> Node:
        constant = {"true": True, "false": False, "null": None}
        if token.text in constant:
            return self._made(Literal(constant[token.text]))
        if token.text in RESERVED or token.text == "in":
            raise SyntaxProblem(f"'{token.text}' is a reserved word")
        if not self._take("("):
            return self._made(Name(token.text))
        arguments = self._arguments(")")
        if token.text == "has":
            if len(arguments) != 1 or not isinstance(arguments[0], Select):
                raise SyntaxProblem("write has(a.b): whether a has the field b")
            return self._made(Select(arguments[0].target, arguments[0].field, True))
        if token.text not in FUNCTIONS:
            raise SyntaxProblem(
                f"unknown function {token.text}(){did_you_mean(token.text, (*FUNCTIONS, 'has'))}"
            )
        if len(arguments) != FUNCTIONS[token.text]:
            raise SyntaxProblem(
                f"{token.text}() takes {FUNCTIONS[token.text]} argument(s), not {len(arguments)}"
            )
        return self._made(Call(token.text, tuple(arguments)))

    def _map(self) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            if entries:
                self._expect(",")
                if self._take("}"):
                    break
            key = self._ternary()
            self._expect(":")
            entries.append((key, self._ternary()))
        return self._made(MapOf(tuple(entries)))
