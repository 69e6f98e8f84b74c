"""Ladders through every way, with real processes: gate, workspace, mail server and PagerDuty, and a kill in between."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.running import SLACK_IDS, Gate, gate_for, slack_env, slack_running
from tests.fakes.mail import Mail, mail_running
from tests.fakes.pagerduty import ROUTING_KEY, PagerDuty, pagerduty_running
from tests.harness.processes import Processes

LADDERS = """
version: v1
rules:
  - id: ladder
    match: {topics: ["ladder.reported"]}
    decision: require_approval
    risk: high
    reason: Climbs
    approval:
      groups: [reviewers]
      sla: 30m
      on_timeout: deny
      escalation:
        - {after: 1s, to: [ana], via: [email]}
        - {after: 4s, to: ["group:approvers"], via: [slack, email, pagerduty]}
"""

ESCALATED = "Escalated, step 2, by e-mail and PagerDuty"


def settings(mail: Mail, pagerduty: PagerDuty) -> dict[str, str]:
    return {
        "SMTP_URL": f"smtp://127.0.0.1:{mail.port}?from=signoff@meridian.example",
        "PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
        "PAGERDUTY_EVENTS_URL": pagerduty.url,
    }


async def kinds(gate: Gate, action_id: str) -> list[str]:
    return [record["kind"] for record in await gate.records(action_id) if record["kind"] != "person.pinned"]


async def test_a_ladder_goes_on_over_a_kill_and_past_a_person_who_cannot_be_reached(
    processes: Processes, tmp_path: Path
):
    """INV-38, INV-53: the address is refused for good, the gate is killed between two steps, and the next step
    calls the approvers by every way once; the decision ends the page, and the dead letter is there to see."""
    async with (
        mail_running() as mail,
        pagerduty_running() as pagerduty,
        slack_running(processes, tmp_path) as slack,
    ):
        mail.refuse["ana@meridian.example"] = "550 5.1.1 no such mailbox"
        env = slack_env(slack.api_url, slack.described.app) | settings(mail, pagerduty)
        async with gate_for(processes, tmp_path, env, start=False) as gate:
            (tmp_path / "policies" / "ladders.yaml").write_text(LADDERS, encoding="utf-8")
            await gate.start()
            await gate.connected()
            action = await gate.propose("ladder.reported")
            card = await slack.card(action["id"])
            await mail.until(lambda m: m.tries == 1)
            await gate.process.aexpect('"event": ?"outbox.dead_letter"')
            await gate.crash()
            await gate.start()
            await pagerduty.until(lambda p: p.alerts.get(action["id"]) == "triggered")
            await mail.until(lambda m: m.to == ["chi@meridian.example"])
            assert "Refund order 881" in str(mail.letters[0]["Subject"])
            (event,) = pagerduty.events
            assert event["links"][0]["href"].startswith("http")
            await slack.until(lambda state: any(m["text"].startswith(ESCALATED) for m in state["messages"]))
            assert await kinds(gate, action["id"]) == [
                "approval.requested",
                "approval.escalated",
                "approval.escalated",
            ]
            await gate.connected()
            await slack.click(SLACK_IDS["chi"], card)
            await pagerduty.until(lambda p: p.alerts.get(action["id"]) == "resolved")
            assert [e["event_action"] for e in pagerduty.events] == ["trigger", "resolve"]
            (dead,) = (m for m in (await gate.outbox())["messages"] if m["state"] == "dead")
            assert (dead["channel"], dead["error"]) == ("email", "smtp_550")
            gate.runs[0].lines[:] = [
                line for line in gate.runs[0].lines if "outbox.dead_letter" not in line
            ]  # told on purpose; everything else is a complaint


async def test_a_gate_refuses_to_start_on_a_ladder_it_cannot_climb(processes: Processes, tmp_path: Path):
    """INV-30: nobody would be called, and nobody would know."""
    async with gate_for(processes, tmp_path, {}, start=False) as gate:
        (tmp_path / "policies" / "ladders.yaml").write_text(LADDERS, encoding="utf-8")
        running = gate.launch()
        assert await running.await_exit() == 3
        assert "'ladder' escalates via email" in running.output
        assert "set SMTP_URL" in running.output
        assert "set PAGERDUTY_ROUTING_KEY" in running.output
