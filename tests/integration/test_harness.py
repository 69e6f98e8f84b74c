"""The harness itself: databases are fresh, processes are real, and all of it is gone afterwards."""

import json
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest

from tests.harness.environment import scrubbed
from tests.harness.postgres import PostgresServer
from tests.harness.processes import Processes, ProcessFailedError

SERVER = "import signal; print('ready on port 4711', flush=True); signal.pause()"


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_gets_an_empty_database_of_its_own(postgres_url: str, attempt: int) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert tables == (0,)
        connection.execute("CREATE TABLE leftover (id int)")


def test_the_server_is_a_current_postgresql_on_utc(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.info.server_version >= 160000
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_a_template_is_prepared_once_and_copied(postgres_server: PostgresServer) -> None:
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE rules (id int)")

    copies = [postgres_server.create(template=postgres_server.template("harness", prepare)) for _ in range(2)]
    assert len(prepared) == 1
    for copy in copies:
        with psycopg.connect(postgres_server.url_of(copy)) as connection:
            assert connection.execute("SELECT count(*) FROM rules").fetchone() == (0,)
        postgres_server.drop(copy)


def test_a_dropped_database_goes_even_while_someone_is_connected(postgres_server: PostgresServer) -> None:
    name = postgres_server.create()
    with psycopg.connect(postgres_server.url_of(name)) as connection:
        postgres_server.drop(name)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_line_of_a_process_is_waited_for(processes: Processes) -> None:
    running = processes.start(sys.executable, "-c", SERVER)
    assert running.expect(r"ready on port (\d+)").group(1) == "4711"
    assert running.exit_code is None


async def test_a_line_is_awaited_without_blocking_the_loop(processes: Processes) -> None:
    running = processes.start(sys.executable, "-c", SERVER)
    assert await running.aexpect("ready")


def test_a_process_that_ends_without_the_line_fails_with_its_output(processes: Processes) -> None:
    running = processes.start(sys.executable, "-c", "print('cannot open the database')")
    with pytest.raises(ProcessFailedError, match="cannot open the database"):
        running.expect("ready")


def test_a_silent_process_fails_after_its_time(processes: Processes) -> None:
    running = processes.start(sys.executable, "-c", "import signal; signal.pause()")
    with pytest.raises(ProcessFailedError, match="wrote no line"):
        running.expect("ready", within=0.05)


def test_a_crash_and_a_freeze_are_real(processes: Processes) -> None:
    running = processes.start(sys.executable, "-c", SERVER)
    running.expect("ready")
    running.freeze()
    running.thaw()
    assert running.exit_code is None
    running.crash()
    assert running.exit_code == -signal.SIGKILL


def test_a_frozen_process_is_still_ended(processes: Processes) -> None:
    running = processes.start(sys.executable, "-c", SERVER)
    running.expect("ready")
    running.freeze()
    assert running.stop() == -signal.SIGTERM


def test_a_command_is_a_process_of_its_own_however_it_was_started(processes: Processes) -> None:
    """Out of the forge and as installed: the same words, the same exit code."""
    for started in (processes.gate, processes.installed):
        shown = started("--version")
        assert shown.wait() == 0
        assert shown.output == f"signoff {version('signoff')}"
        refused = started("nonsense")
        assert refused.wait() == 2
        assert "No such command" in refused.output


def test_a_forged_command_sees_what_it_was_given_and_dies_of_signals(
    processes: Processes, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    running = processes.sandbox("--bind", "127.0.0.1:0", cwd=elsewhere)
    running.expect("^page")
    assert os.getpgid(running.pid) == running.pid
    assert Path(f"/proc/{running.pid}/cwd").resolve() == elsewhere
    running.freeze()
    assert running.exit_code is None
    running.crash()
    assert running.exit_code == -signal.SIGKILL
    assert not Path(f"/proc/{running.pid}").exists()
    gentle = processes.sandbox("--bind", "127.0.0.1:0")
    gentle.expect("^page")
    assert gentle.stop() == 0
    foreign = processes.finished("doctor", "--json", env={"GATE_BINDS": "x"})
    assert foreign.returncode == 3
    assert "the nearest one is GATE_BIND" in json.loads(foreign.stdout)["error"]["detail"]
    assert foreign.stderr == ""


def test_children_do_not_see_the_developers_settings() -> None:
    environment = {
        "GATE_DATABASE_URL": "sqlite:///mine.db",
        "GATE_TEST_POSTGRES_URL": "postgresql://localhost",
        "SLACK_BOT_TOKEN": "xoxb",
        "PGPASSWORD": "mine",
        "HTTPS_PROXY": "http://localhost:3128",
        "no_proxy": "*",
        "PATH": "/usr/bin",
    }
    assert scrubbed(environment) == {
        "GATE_TEST_POSTGRES_URL": "postgresql://localhost",
        "PATH": "/usr/bin",
    }
