"""Policy texts, what is wrong with them and the digest that names a set; where texts come from is the caller's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

VERSION = "v1"
"""The one version of the language this gate speaks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One policy text. `name` is its file name, unique in a set; it is printed in every problem."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """One thing that keeps a document from being loaded; `line` counts from 1."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class PolicyError(Exception):
    """A document or a set that cannot be loaded; `problems` says everything that is wrong with it, in order."""

    code = "policy_invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known word, or the empty string where none is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""


def set_digest(documents: Sequence[Document]) -> str:
    """`sha256:…` over the JSON array of `[name, text]` pairs sorted by name: the same files, the same digest."""
    pairs = sorted([document.name, document.text] for document in documents)
    canonical = json.dumps(pairs, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return "sha256:" + hashlib.sha256(canonical).hexdigest()
