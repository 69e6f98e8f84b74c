"""Words that no file may hold: one machine's paths, package indexes, promises to do it later."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.tracked import own_files, text_of

# The last letters stand in groups, so that this file does not find itself.
_EVERYWHERE = {
    "a path of one machine": r"(?<![\w./~-])/(?:wor(?:k)|opt/(?:wheel(?:s)|pyp(?:i)))/",
    "the address of a package index": r"\b(?:pypi\.(?:org)|pythonhosted\.(?:org)|npmjs\.(?:com|org))\b",
}
_IN_SOURCE = {
    "a promise to do it later": r"\b(?:TOD(?:O)|FIXM(?:E)|XX(?:X))\b",
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
