"""Words that no file of the project may hold: one machine's paths, package indexes, promises to do it later."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.tracked import own_files, text_of

# Written in pieces, so that this file does not find itself.
_EVERYWHERE = {
    "a path of one machine": r"(?<![\w./~-])/(?:wor" + r"k|opt/(?:whe" + r"els|pyp" + r"i))/",
    "the address of a package index": r"\b(?:pyp"
    + r"i\.org|pythonhos"
    + r"ted\.org|registry\.npm"
    + r"js\.)",
}
_IN_SOURCE = {
    "a promise to do it later (do it, or write it down as an issue)": r"\b(?:TO"
    + r"DO|FIX"
    + r"ME|X"
    + r"XX)\b",
}
_SOURCE_SUFFIXES = {".py", ".sh", ".js", ".css", ".html", ".yaml", ".yml", ".toml", ".mako", ""}


def offences(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """(line number, what is wrong, the line) for each offending line."""
    rules = dict(_EVERYWHERE)
    if path.suffix in _SOURCE_SUFFIXES:
        rules |= _IN_SOURCE
    for what, pattern in rules.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if re.search(pattern, line):
                yield number, what, line.strip()[:120]


def main() -> None:
    found = [
        f"{path}:{number}: {what}: {line}"
        for path in own_files()
        if (text := text_of(path)) is not None
        for number, what, line in offences(path, text)
    ]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
