"""Links between the project's own pages: each relative link and anchor in Markdown leads somewhere."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tools.tracked import ROOT, own_files, text_of

_LINK = re.compile(r"!?\[[^\]]*\]\(<?(?P<target>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_FENCE = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")


def broken_links(page: Path, text: str) -> Iterator[str]:
    prose = _CODE.sub("", _FENCE.sub("", text))
    for match in _LINK.finditer(prose):
        target = match["target"]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue  # another site's page
        path, _, anchor = unquote(target).partition("#")
        linked = (ROOT / page.parent / path) if path else (ROOT / page)
        if not linked.exists():
            yield f"{page}: {target} does not exist"
        elif anchor and linked.suffix == ".md" and anchor not in _anchors(linked.read_text(encoding="utf-8")):
            yield f"{page}: {target} names a heading that is not there"


def _anchors(text: str) -> set[str]:
    """The anchors that code hosts give to headings."""
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def main() -> None:
    found = [
        problem
        for page in own_files()
        if page.suffix == ".md" and (text := text_of(page)) is not None
        for problem in broken_links(page, text)
    ]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
