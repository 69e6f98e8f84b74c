"""The shipped set loads."""

from pathlib import Path

from gate.workers.reload import PolicyFiles

ROOT = Path(__file__).parents[3]


def test_the_shipped_set_loads() -> None:
    loaded = PolicyFiles(ROOT / "policies", ROOT / "policies" / "people.yaml").load()
    assert loaded.policy.digest.startswith("sha256:")
