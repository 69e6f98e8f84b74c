"""What a SIEM is given with each record, checked by the very code that the guide shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gate.keyring.events import load_event_seal
from tests.integration.http.door import open_door

GUIDE = Path(__file__).parents[3] / "docs" / "howto" / "audit.md"


async def test_each_record_carries_an_hmac_that_the_guide_s_code_checks(tmp_path: Path) -> None:
    """INV-48: one changed word, and it is not genuine."""
    snippet = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert snippet is not None
    shown: dict[str, Any] = {}
    exec(snippet[1], shown)  # noqa: S102 - it is the text that readers copy
    is_genuine = shown["is_genuine"]
    seal = load_event_seal(tmp_path / "keys")
    secret = (tmp_path / "keys" / "events-0001.secret").read_text()
    async with open_door(f"sqlite:///{tmp_path / 'gate.db'}", tmp_path / "keys", seal=seal) as door:
        await door.propose()
        await door.propose("crm.read")
        items = (await door.get("/v1/audit/records", key="reader")).body["items"]
    assert len(items) == 3
    for item in items:
        assert item["hmac"]["key"] == seal.id
        assert is_genuine(item, secret)
        assert not is_genuine(item | {"actor": "person:mallory"}, secret)
        assert not is_genuine(item, "c29tZSBvdGhlciBrZXkgb2YgdGhpcnR5LXR3byBieXRlcw==")
