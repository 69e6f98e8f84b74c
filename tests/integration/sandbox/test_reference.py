"""Knows that the sandbox's reference page lists what there is: methods, options, routes, acts, troubles."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from bot.sandbox import (
    METHODS,
    Sandbox,
    SandboxApp,
    SandboxChannel,
    SandboxUser,
    SandboxUsergroup,
    load_workspace,
)
from bot.sandbox.__main__ import main

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md").read_text(encoding="utf-8")


def test_the_page_lists_exactly_the_covered_methods() -> None:
    table = PAGE.split("## Web API methods")[1].split("##")[0]
    assert set(re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE)) == set(METHODS)


async def test_the_page_lists_exactly_the_control_routes(sandbox: Sandbox) -> None:
    listed = set(re.findall(r"^\| `(?:GET|POST) (/sandbox/[^`]+)`", PAGE, re.MULTILINE))
    assert listed == sandbox.control_routes()


def test_the_page_lists_every_field_of_a_description() -> None:
    for kind in (SandboxUser, SandboxChannel, SandboxUsergroup, SandboxApp):
        for field in fields(kind):
            assert f"`{field.name}`" in PAGE


def test_the_page_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE))


def test_a_description_is_read_from_json_and_a_wrong_key_is_named(tmp_path: Path) -> None:
    described = {
        "team_name": "Elsewhere",
        "users": [{"id": "U1", "name": "a", "real_name": "A", "email": "a@b.example"}],
        "channels": [{"id": "C1", "name": "c", "members": ["U1"]}],
        "app": {"name": "Gatekeeper", "events": ["app_mention"]},
    }
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(described), encoding="utf-8")
    workspace = load_workspace(path)
    assert workspace.channels[0].members == ("U1",)
    assert workspace.app.events == ("app_mention",)
    path.write_text(json.dumps(described | {"colour": "red"}), encoding="utf-8")
    with pytest.raises(ValueError, match="unknown key 'colour'"):
        load_workspace(path)
    assert main(["--bind", "127.0.0.1:0", "--workspace", str(path)]) == 1
