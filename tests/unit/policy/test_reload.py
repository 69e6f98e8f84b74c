"""Hot reload: all or nothing, by content, and closed where the files cannot be read or trusted."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gate.policy.documents import PolicyError
from gate.workers.reload import PolicyFiles, PolicyHolder
from tests.unit.policy.building import PEOPLE, judged

ALLOW = "version: v1\nrules:\n- {id: r, match: {topics: ['*']}, decision: allow}\n"
DENY = ALLOW.replace("allow", "deny")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir(mode=0o755)
    (tmp_path / "people.yaml").write_text(PEOPLE)
    (tmp_path / "policies" / "a.yaml").write_text(ALLOW)
    return tmp_path / "policies"


def files(folder: Path) -> PolicyFiles:
    return PolicyFiles(folder, folder.parent / "people.yaml")


def decision(holder: PolicyHolder) -> str:
    return judged(holder.current.policy).decision.value


def test_only_documents_directly_in_the_folder_are_policies(folder: Path) -> None:
    (folder / "cases").mkdir()
    (folder / "cases" / "x.yaml").write_text("nonsense: 1")
    (folder / "people.yaml").write_text("nonsense: 1")
    (folder / "notes.txt").write_text("nonsense")
    (folder / ".hidden.yaml").write_text("nonsense: 1")
    (folder / "b.yml").write_text("version: v1")
    assert [document.name for document in files(folder).load().policy.documents] == ["a.yaml", "b.yml"]


def test_a_changed_file_is_taken_over(folder: Path) -> None:
    holder = PolicyHolder(files(folder))
    assert not holder.refresh()
    (folder / "a.yaml").write_text(DENY)
    assert holder.refresh()
    assert decision(holder) == "deny"
    assert not holder.refresh()


def test_a_bad_set_leaves_the_last_good_one_running_and_says_so(folder: Path) -> None:
    holder = PolicyHolder(files(folder))
    before = holder.current
    (folder / "a.yaml").write_text(DENY)
    (folder / "b.yaml").write_text("version: v1\nruls: []")
    assert not holder.refresh()
    assert holder.current is before
    assert holder.problem == "b.yaml:2: unknown key 'ruls' (did you mean 'rules'?)"
    assert not holder.refresh()
    assert holder.problem is not None
    (folder / "b.yaml").unlink()
    assert holder.refresh()
    assert holder.problem is None
    assert decision(holder) == "deny"


def test_a_bad_set_put_back_as_it_was_clears_the_problem(folder: Path) -> None:
    holder = PolicyHolder(files(folder))
    (folder / "a.yaml").write_text("version: v9")
    holder.refresh()
    assert holder.problem is not None
    (folder / "a.yaml").write_text(ALLOW)
    holder.refresh()
    assert holder.problem is None


def test_people_are_part_of_the_set(folder: Path) -> None:
    holder = PolicyHolder(files(folder))
    people = folder.parent / "people.yaml"
    people.write_text(
        PEOPLE.replace("approvers: {members: [cho, dee]}", "approvers: {members: [cho, nobody]}")
    )
    assert not holder.refresh()
    assert "unknown person 'nobody'" in (holder.problem or "")
    people.write_text(PEOPLE.replace("[cho, dee]}", "[ana, bo]}"))
    assert holder.refresh()
    assert holder.current.directory.groups["approvers"].members == ("ana", "bo")


def test_content_decides_and_not_the_time_of_a_file(folder: Path) -> None:
    path = folder / "a.yaml"
    times = (path.stat().st_atime, path.stat().st_mtime)
    holder = PolicyHolder(files(folder))
    path.write_text(DENY)
    os.utime(path, times)
    assert holder.refresh()
    os.utime(path, (1, 1))
    assert not holder.refresh()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(
            lambda f: (f / "a.yaml").chmod(0o666), "a.yaml:1: may be written by everybody", id="a file"
        ),
        pytest.param(lambda f: f.chmod(0o777), "the folder may be written by everybody", id="the folder"),
        pytest.param(
            lambda f: (f.parent / "people.yaml").chmod(0o646), "people.yaml:1: may be written", id="people"
        ),
        pytest.param(
            lambda f: (f.parent / "people.yaml").unlink(), "people.yaml:1: cannot be read", id="no people"
        ),
        pytest.param(
            lambda f: (f / "b.yaml").symlink_to(f / "gone"), "b.yaml:1: cannot be read", id="a dead link"
        ),
        pytest.param(lambda f: (f / "b.yaml").mkdir(), "b.yaml:1: ", id="a folder of that name"),
        pytest.param(lambda f: (f / "b.yaml").write_bytes(b"\xff\xfe"), "b.yaml:1: is not UTF-8", id="bytes"),
        pytest.param(lambda f: f.rename(f.parent / "moved"), "cannot be read", id="no folder"),
    ],
)
def test_what_cannot_be_read_or_trusted_is_a_problem(folder: Path, spoil, says: str) -> None:  # type: ignore[no-untyped-def]
    holder = PolicyHolder(files(folder))
    before = holder.current
    spoil(folder)
    assert not holder.refresh()
    assert says in (holder.problem or "")
    assert holder.current is before


def test_files_that_can_be_read_again_clear_the_problem(folder: Path) -> None:
    holder = PolicyHolder(files(folder))
    (folder / "a.yaml").chmod(0o666)
    assert not holder.refresh()
    assert holder.problem is not None
    (folder / "a.yaml").chmod(0o644)
    assert not holder.refresh()
    assert holder.problem is None


def test_a_bad_set_that_could_not_be_read_for_a_moment_is_still_bad(folder: Path) -> None:
    holder = PolicyHolder(files(folder))
    (folder / "a.yaml").write_text("version: v1\nruls: []")
    assert not holder.refresh()
    bad = holder.problem
    (folder / "a.yaml").chmod(0o666)
    holder.refresh()
    (folder / "a.yaml").chmod(0o644)
    assert not holder.refresh()
    assert holder.problem == bad
    assert bad is not None


def test_a_gate_does_not_start_on_a_broken_set(folder: Path) -> None:
    (folder / "a.yaml").write_text("version: v9")
    with pytest.raises(PolicyError):
        PolicyHolder(files(folder))


def test_an_empty_folder_is_a_set_that_asks_people(folder: Path) -> None:
    """INV-15"""
    (folder / "a.yaml").unlink()
    assert decision(PolicyHolder(files(folder))) == "require_approval"


async def test_watching_tells_of_new_sets_and_of_problems_once(folder: Path) -> None:
    holder = PolicyHolder(files(folder))
    told: list[tuple[str, bool]] = []
    steps = iter(
        [
            lambda: (folder / "a.yaml").write_text(DENY),
            None,
            lambda: (folder / "a.yaml").write_text("x: 1"),
            None,
        ]
    )

    async def wait(stop: asyncio.Event, seconds: float) -> bool:
        assert seconds == 1.0
        step = next(steps, stop)
        if step is stop:
            return True
        if step is not None:
            step()  # type: ignore[operator]
        return False

    async def heard(changed: PolicyHolder) -> None:
        told.append((decision(changed), changed.problem is not None))

    await holder.watch(asyncio.Event(), heard, wait=wait)
    assert told == [("deny", False), ("deny", True)]


async def test_half_of_a_file_being_written_is_never_in_force(folder: Path) -> None:
    """INV-15: a file may be a valid policy before its last line, a denial, has arrived."""
    holder = PolicyHolder(files(folder))
    before = decision(holder)
    states = iter(["version: v1\n", "version: v1\nrules: []\n", DENY])
    in_force: list[str] = []

    async def wait(stop: asyncio.Event, seconds: float) -> bool:
        in_force.append(decision(holder))
        if (state := next(states, None)) is not None:
            (folder / "a.yaml").write_text(state)
        return len(in_force) > 5

    await holder.watch(asyncio.Event(), lambda changed: None, wait=wait)
    assert set(in_force) == {before, "deny"}
    assert in_force[-1] == "deny"


async def test_watching_stops_when_told(folder: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    await PolicyHolder(files(folder)).watch(stop, lambda holder: None)


LADDER = """version: v1
rules:
- {id: quiet, match: {topics: [a]}, decision: allow}
- id: loud
  match: {topics: ['*']}
  decision: require_approval
  approval: {groups: [finance], sla: 1h, escalation: [{after: 5m, to: [ana], via: [slack, WAY]}]}
"""


@pytest.mark.parametrize(
    ("way", "missing"), [("email", "set SMTP_URL"), ("pagerduty", "set PAGERDUTY_ROUTING_KEY")]
)
def test_a_ladder_by_a_way_that_was_not_set_up_is_refused(folder: Path, way: str, missing: str) -> None:
    """INV-30: nobody would be called, and nobody would know."""
    (folder / "a.yaml").write_text(LADDER.replace("WAY", way))
    assert PolicyHolder(files(folder)).current.policy.rules
    with pytest.raises(PolicyError, match=f"a.yaml:4: 'loud' escalates via {way}, and .*{missing}"):
        PolicyHolder(files(folder), unserved=frozenset({way}))


@pytest.mark.parametrize(
    ("way", "missing"), [("email", "set SMTP_URL"), ("pagerduty", "PAGERDUTY_ROUTING_KEY")]
)
def test_supervisors_called_in_a_way_the_gate_cannot_go_are_refused_at_the_start(
    folder: Path, way: str, missing: str
) -> None:
    """INV-17: an emergency release must not call into the void."""
    (folder / "b.yaml").write_text(
        f"version: v1\nbreak_glass:\n  who: [ana]\n  supervisors: [bo]\n  via: [slack, {way}]\n"
    )
    assert PolicyHolder(files(folder)).current.policy.break_glass is not None
    with pytest.raises(
        PolicyError, match=f"b.yaml:2: break_glass calls supervisors via {way}, and .*{missing}"
    ):
        PolicyHolder(files(folder), unserved=frozenset({way}))


def test_a_reload_to_such_a_ladder_leaves_the_set_in_force(folder: Path) -> None:
    holder = PolicyHolder(files(folder), unserved=frozenset({"email"}))
    (folder / "a.yaml").write_text(LADDER.replace("WAY", "email"))
    assert not holder.refresh()
    assert decision(holder) == "allow"
    assert "set SMTP_URL" in (holder.problem or "")
    (folder / "a.yaml").write_text(LADDER.replace("WAY", "pagerduty"))
    assert holder.refresh()
    assert decision(holder) == "require_approval"
