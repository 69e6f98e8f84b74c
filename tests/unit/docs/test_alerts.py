"""The alert rules that we ship name metrics, labels and pages that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gate.http.metrics import HttpMetrics
from gate.metrics import Metrics

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docs/examples/alerts.yml"
PAGE = ROOT / "docs/howto/production.md"
_NAME = re.compile(r"\bsignoff_[a-z_]+")
_LABELLED = re.compile(r"\b(signoff_[a-z_]+)\{([a-z_]+)=")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def series() -> dict[str, set[str]]:
    """The labels of every series that `/metrics` may show, by its name."""
    metrics = Metrics()
    HttpMetrics(metrics.registry, waiting=lambda: 0)
    names = metrics.registry._names_to_collectors
    families = {name.removesuffix("_created") for name in names if name.endswith("_created")}
    return {
        name: set(getattr(collector, "_labelnames", ()))
        for name, collector in names.items()
        if name not in families  # a counter shows `_total` only, a histogram `_bucket`, `_sum` and `_count`
    }


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_rule_names_what_exists(rule: dict[str, Any]) -> None:
    known = series()
    named = set(_NAME.findall(rule["expr"]))
    assert named or "up{" in rule["expr"]
    assert named <= known.keys()
    for name, label in _LABELLED.findall(rule["expr"]):
        assert label in known[name]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize("rule", [r for r in rules() if " and " in r["expr"]], ids=lambda rule: rule["alert"])
def test_what_an_alert_rule_holds_together_has_no_labels(rule: dict[str, Any]) -> None:
    """Prometheus joins sides of the same labels only; one with the label of a replica never meets one without."""
    for side in rule["expr"].split(" and "):
        assert re.match(r"(sum|max|min)\(", side)


def test_every_alert_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [rule["alert"] for rule in rules() if rule["alert"] not in page] == []


@pytest.mark.parametrize("wrong", ["signoff_outbox_deaths", "signoff_deadlines_fired"])
def test_a_name_that_does_not_exist_would_be_seen(wrong: str) -> None:
    """A counter's series ends in `_total`: its bare name shows nothing, for ever."""
    assert wrong not in series()
