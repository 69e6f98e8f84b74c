"""The scripts behind `make check`: what they find, what they leave alone."""

from pathlib import Path

import pytest

from tools import lock
from tools.check_invariants import THREATS, find_tests, problems, refreshed, rows_of
from tools.check_links import broken_links
from tools.check_words import offences

PAGE = "\n".join(f"| INV-{number:02d} | A promise | no | |" for number in range(1, 55)) + "\n"
SUITE = '''
import pytest

def test_a_terminal_state_stays():
    """INV-01, INV-12: whatever arrives later."""

async def test_inv_03_two_clicks_one_winner(): ...

class TestQuorum:
    """INV-08"""

    def test_two_people(self): ...

@pytest.mark.skip(reason="not yet")
def test_inv_09_no_timer_approves(): ...

def helper():
    """INV-10"""

class Histories(RuleBasedStateMachine):
    @invariant()
    def one_record_each(self):
        """INV-44"""
'''


@pytest.fixture
def named(tmp_path: Path) -> dict[int, list[str]]:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_suite.py").write_text(SUITE, encoding="utf-8")
    return find_tests(folder)


def test_a_promise_is_named_by_name_docstring_class_or_state_machine(named: dict[int, list[str]]) -> None:
    assert named == {
        1: ["tests/test_suite.py::test_a_terminal_state_stays"],
        12: ["tests/test_suite.py::test_a_terminal_state_stays"],
        3: ["tests/test_suite.py::test_inv_03_two_clicks_one_winner"],
        8: ["tests/test_suite.py::TestQuorum::test_two_people"],
        44: ["tests/test_suite.py::Histories::one_record_each"],
    }


def test_a_claim_without_a_test_that_runs_is_a_problem(named: dict[int, list[str]]) -> None:
    claimed = PAGE.replace("| INV-09 | A promise | no |", "| INV-09 | A promise | yes |")
    page = refreshed(claimed, named)
    assert [problem.split(" is ")[0] for problem in problems(page, named)] == ["INV-09"]


def test_a_claim_with_a_test_is_fine_once_the_table_shows_it(named: dict[int, list[str]]) -> None:
    claimed = PAGE.replace("| INV-08 | A promise | no |", "| INV-08 | A promise | yes |")
    assert any("make fmt" in problem for problem in problems(claimed, named))
    page = refreshed(claimed, named)
    assert list(problems(page, named)) == []
    assert rows_of(page)[7].tests == "`tests/test_suite.py::TestQuorum::test_two_people`"


def test_a_missing_row_and_an_unknown_number_are_problems() -> None:
    page = PAGE.replace("| INV-54 | A promise | no | |\n", "")
    found = list(problems(page, {99: ["tests/test_suite.py::test_x"]}))
    assert any("one row for each" in problem for problem in found)
    assert any("INV-99, which does not exist" in problem for problem in found)


def test_threats_are_named_in_words_several_at_once_and_by_whole_files(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    suite = (
        '"""Grants offline (threats 11, 12 and 13)."""\ndef test_it():\n    """INV-19, threat 12: no 99"""\n'
    )
    (folder / "test_grants.py").write_text(suite + "def test_threat_07_by_name(): ...\n", encoding="utf-8")
    assert find_tests(folder, THREATS) == {
        7: ["tests/test_grants.py::test_threat_07_by_name"],
        11: ["tests/test_grants.py"],
        12: ["tests/test_grants.py", "tests/test_grants.py::test_it"],
        13: ["tests/test_grants.py"],
    }
    assert find_tests(folder) == {19: ["tests/test_grants.py::test_it"]}


def test_a_defence_without_a_test_is_a_problem_and_no_defence_claims_nothing() -> None:
    rows = [
        f"| THREAT-{n:02d} | Somebody tries | {'no' if n == 35 else 'it is refused'} | |"
        for n in range(1, 36)
    ]
    page = refreshed("\n".join(rows) + "\n", {n: ["tests/test_x.py"] for n in range(1, 34)}, THREATS)
    found = list(problems(page, {n: ["tests/test_x.py"] for n in range(1, 34)}, THREATS))
    assert found == ["THREAT-34 is claimed as built and no test names it: Somebody tries"]


@pytest.mark.parametrize(
    ("path", "line", "expected"),
    [
        pytest.param("a.md", "see /wo" + "rk/main", 1, id="a machine's path"),
        pytest.param("a.md", "see docs/wo" + "rk/main", 0, id="a folder of that name"),
        pytest.param("a.lock", "--index-url=https://py" + "pi.org/simple", 1, id="an index"),
        pytest.param("a.py", "# TO" + "DO: later", 1, id="a promise in source"),
        pytest.param("a.md", "the TO" + "DO list", 0, id="the same word in prose"),
    ],
)
def test_forbidden_words_are_found_where_they_matter(path: str, line: str, expected: int) -> None:
    assert len(list(offences(Path(path), line))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[a](CHANGELOG.md)", 0, id="a page"),
        pytest.param("[a](CONTRIBUTING.md#set-up)", 0, id="a heading"),
        pytest.param("[a](CONTRIBUTING.md#nowhere)", 1, id="a missing heading"),
        pytest.param("[a](missing.md)", 1, id="a missing page"),
        pytest.param("`[a](missing.md)`", 0, id="code"),
        pytest.param("[a](https://semver.org)", 0, id="another site"),
    ],
)
def test_links_lead_somewhere(text: str, expected: int) -> None:
    assert len(list(broken_links(Path("README.md"), text))) == expected


def test_the_locks_belong_to_the_project() -> None:
    assert lock.check() == []


def test_a_lock_with_an_address_or_without_a_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "requirements.lock"
    bad.write_text("--index-url https://example.com/simple\naiohttp==3.0 \\\n", encoding="utf-8")
    monkeypatch.setattr(lock, "RUN_LOCK", bad)
    found = "\n".join(lock.check())
    assert "an address or a path" in found
    assert "has no hash" in found
    assert "is older than the dependencies" in found
    assert "no pin for pydantic" in found


def test_the_lock_of_the_peers_has_what_they_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "peers.in"
    asked.write_text("dbos\nno-such-peer[extra]\n", encoding="utf-8")
    monkeypatch.setattr(lock, "PEERS", asked)
    assert lock.check() == ["peers.lock has no pin for no-such-peer: run `make lock`"]
