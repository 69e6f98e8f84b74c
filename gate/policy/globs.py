"""Globs, in which `*` is one or more characters and crosses dots; which field they look at is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from gate.policy.patterns import joined_by_anything


@lru_cache(maxsize=65_536)
def compile_glob(glob: str) -> Callable[[str], bool]:
    """A test for one glob; linear in the length of the text whatever the glob."""
    if "*" not in glob:
        return glob.__eq__
    if glob == "*":
        return bool
    if glob.count("*") == 1:
        head, _, tail = glob.partition("*")
        shortest = len(head) + len(tail) + 1
        return lambda text: len(text) >= shortest and text.startswith(head) and text.endswith(tail)
    return joined_by_anything(glob.split("*"))


def compile_globs(globs: Iterable[str]) -> Callable[[str], bool]:
    """A test that holds where any of the globs does."""
    tests = tuple(compile_glob(glob) for glob in globs)
    if len(tests) == 1:
        return tests[0]
    return lambda text: any(test(text) for test in tests)


class GlobIndex:
    """Finds, among many numbered lists of globs, those that match a text, by literal head instead of a scan."""

    def __init__(self) -> None:
        self._exact: dict[str, list[int]] = {}
        self._headed: dict[str, list[tuple[Callable[[str], bool], int]]] = {}
        self._lengths: set[int] = set()

    def add(self, number: int, globs: Iterable[str]) -> None:
        """Remember under `number` a list of globs of which any may match."""
        for glob in globs:
            if "*" not in glob:
                self._exact.setdefault(glob, []).append(number)
                continue
            head = glob.partition("*")[0]
            self._headed.setdefault(head, []).append((compile_glob(glob), number))
            self._lengths.add(len(head))

    def find(self, text: str) -> set[int]:
        """The numbers of the lists of which a glob matches."""
        found = set(self._exact.get(text, ()))
        for length in sorted(self._lengths):
            if length >= len(text):
                break
            for test, number in self._headed.get(text[:length], ()):
                if number not in found and test(text):
                    found.add(number)
        return found
