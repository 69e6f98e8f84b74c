"""What a gate imports before it serves: nearly all of a start is importing."""

import subprocess
import sys

SELDOM = ("alembic", "bot.checkup", "bot.sandbox")
"""Needed for a migration, for `gate doctor` and where no Slack is set up; together a tenth of a start."""


def test_a_start_imports_nothing_that_most_starts_do_without() -> None:
    code = f"import sys, gate.cli.serving; print([name for name in {SELDOM} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
