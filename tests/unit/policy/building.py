"""Short ways to a directory, a policy set and a subject; the tests say what must come of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from gate.domain.action import Agent, Claims, Context, Evidence, History, Proposal, Source, Subject
from gate.domain.people import Directory
from gate.domain.verdict import Verdict
from gate.policy.compile import compile_set
from gate.policy.documents import Document, PolicyError
from gate.policy.evaluate import evaluate
from gate.policy.people import parse_people
from gate.policy.snapshot import PolicySet

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
AGENT = Agent(id="agt_1", name="helper", team="support", owner="own")

PEOPLE = """
version: v1
people:
  ana: {name: Ana Ruiz, email: ana@example.com, slack: U0ANA, aliases: [ana.ruiz@example.com]}
  bo: {name: Bo Lindqvist, email: bo@example.com}
  cho: {name: Cho Minji, email: cho@example.com}
  dee: {name: Dee Okafor, email: dee@example.com}
groups:
  finance: {members: [ana, bo], channel: "#finance"}
  security: {members: [dee, cho]}
  approvers: {members: [cho, dee]}
on_call:
  primary: {rotation: {people: [bo, dee], every: 1w, handoff: "mon 09:00", tz: Europe/Berlin}}
"""


class _Plain(yaml.SafeDumper):
    """Writes values out where they stand again; anchors are refused by the reader."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def people(text: str = PEOPLE) -> Directory:
    return parse_people(text)


def policy(*texts: str | dict[str, Any], directory: Directory | None = None) -> PolicySet:
    """A set of documents `d0.yaml`, `d1.yaml`, …; a dict is written out as YAML, `version` added."""
    documents = [
        Document(
            name=f"d{n}.yaml",
            text=text
            if isinstance(text, str)
            else yaml.dump({"version": "v1", **text}, Dumper=_Plain, sort_keys=False),
        )
        for n, text in enumerate(texts)
    ]
    return compile_set(documents, directory if directory is not None else people())


def one_rule(match: dict[str, Any], decision: str = "require_approval", **more: Any) -> PolicySet:
    """A set with the rule `r` alone."""
    return policy({"rules": [{"id": "r", "match": match, "decision": decision, **more}]})


_CLAIMS = frozenset(Claims.__dataclass_fields__)
_HISTORY = frozenset({"first_time", "velocity"})


def subject(topic: str = "job.support.refund", payload: dict[str, Any] | None = None, **more: Any) -> Subject:
    """A subject from keywords, sorted to proposal, claims, history and context by name."""
    agent = more.pop("agent", AGENT)
    counted = more.pop("counted_retries", 0)
    claims = {key: more.pop(key) for key in list(more) if key in _CLAIMS}
    if "risk_tags" in claims:
        claims["risk_tags"] = frozenset(claims["risk_tags"])
    history = {key: more.pop(key) for key in list(more) if key in _HISTORY}
    sources = tuple(Source(id=f"s{n}", fetched_at=at) for n, at in enumerate(more.pop("fetched", ())))
    context = more.pop("context", Context(sources=sources, model_name=more.pop("model", None)))
    evidence = tuple(Evidence(label=label, value=value) for label, value in more.pop("evidence", ()))
    return Subject(
        proposal=Proposal(
            topic=topic,
            payload=payload if payload is not None else {},
            summary="s",
            claims=Claims(**claims),
            context=context,
            evidence=evidence,
            **more,
        ),
        agent=agent,
        history=History(retry_count=counted, **{"first_time": False, **history}),
    )


def judged(
    held: PolicySet, topic: str = "job.support.refund", payload: dict[str, Any] | None = None, **more: Any
) -> Verdict:
    at = more.pop("now", NOW)
    return evaluate(held, subject(topic, payload, **more), at)


def problems(*texts: str | dict[str, Any], directory: Directory | None = None) -> list[str]:
    """The lines of the error that loading gives; empty where it loads."""
    try:
        policy(*texts, directory=directory)
    except PolicyError as error:
        return [str(problem) for problem in error.problems]
    return []
