"""The command line and its page say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from gate.cli.main import app
from tests.integration.cli.conftest import ROOT

PAGE = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")


def verbs(command: Any, path: tuple[str, ...] = ("gate",)) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        yield " ".join(path), command
        return
    for name in command.list_commands(None):
        yield from verbs(command.get_command(None, name), (*path, name))


VERBS = dict(verbs(typer.main.get_command(app)))
_SECTION = re.compile(r"^#{2,3} (gate [a-z -]+)\n(.*?)(?=^#{2,3} |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = dict(_SECTION.findall(PAGE))


def test_every_verb_has_a_section_and_every_section_a_verb():
    groups = {name.rsplit(" ", 1)[0] for name in VERBS if name.count(" ") == 2}
    assert set(VERBS) | groups == set(SECTIONS)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_section_names_exactly_the_options_there_are(verb: str):
    options = {name for option in VERBS[verb].params for name in option.opts if name.startswith("--")}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", SECTIONS[verb]))
    assert options <= told
    assert told - options <= {name for other in VERBS.values() for o in other.params for name in o.opts}
    for line in re.findall(r"^\| `(--[a-z-]+)", SECTIONS[verb], re.MULTILINE):
        assert line in options


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_and_option_says_what_it_is_for(verb: str):
    assert VERBS[verb].help
    for option in VERBS[verb].params:
        if any(name.startswith("--") for name in option.opts):
            assert option.help, option.opts
