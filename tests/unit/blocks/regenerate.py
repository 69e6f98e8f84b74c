"""Writes the goldens anew: `python -m tests.unit.blocks.regenerate`, then read the difference like a screenshot."""

import json
from pathlib import Path

from tests.unit.blocks.surfaces import goldens

FOLDER = Path(__file__).parent / "goldens"


def as_text(value: object) -> str:
    """The form in which a golden is kept: indented, every invisible character escaped where JSON does so."""
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    fresh = {f"{name}.json": as_text(value) for name, value in goldens()}
    for stale in {path.name for path in FOLDER.glob("*.json")} - set(fresh):
        (FOLDER / stale).unlink()
    for name, text in fresh.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
