"""What nobody reported on in time: its owner hears of it in Slack, on the card, in the thread, in Home."""

from __future__ import annotations

from gate.domain.refusal import Refused
from gate.domain.request import ActionRecord, Result
from gate.usecases import collect, outcome, redeem
from gate.usecases.commands import Done, FireDeadline, RedeemGrant, ReportOutcome
from gate.usecases.deadline import fire
from tests.integration.bot.stage import AGENT, POLICY, Stage, buttons, texts
from tests.integration.bot.test_delegating import direct, home_with

SOON = POLICY.replace(
    "    reason: Large refund\n    approval:\n      groups: [finance]\n",
    "    reason: Large refund\n    approval:\n      groups: [finance]\n      grant: {report_within: 1s}\n",
)
FREE = """
  - id: free
    match: {topics: ["free.*"]}
    decision: allow_with_constraints
    reason: Goes through
    constraints: {max_runtime_sec: 30}
"""
EXECUTOR = AGENT.__class__(
    id="agt_exec", name="runner", team="ops", owner="own", scopes=frozenset({"execute"})
)


async def used(play: Stage, record: ActionRecord) -> ActionRecord:
    """Its grant, redeemed by an executor that then says nothing."""
    collected = await collect.collect(play.deps, AGENT, record.id)
    assert isinstance(collected, Done), collected
    assert collected.grant is not None
    command = RedeemGrant(
        executor=EXECUTOR, token=collected.grant.token, payload_sha256=record.version.payload_sha256
    )
    done = await redeem.redeem(play.deps, command)
    assert isinstance(done, Done), done
    return done.record


async def comes(play: Stage, record: ActionRecord) -> ActionRecord:
    """The deadline of its report, for real."""
    due = record.deadline
    assert due is not None
    async with play.deps.wakeups.subscription("nobody") as waiter:
        while play.deps.clock.now() < due.due_at:
            await waiter.wait(0.05)
    done = await fire(play.deps, FireDeadline(action_id=record.id, seq=due.seq))
    assert isinstance(done, Done), done
    return done.record


async def test_an_executor_that_falls_silent_is_told_to_the_owner_everywhere(play: Stage) -> None:
    """INV-22: unknown by itself; the owner's message, the card, the thread and Home say so, until a late report
    settles it; and no other grant is issued."""
    assert SOON != POLICY
    play.reload(SOON)
    record = await play.propose()
    channel, ts = await play.posted(record)
    assert isinstance(await play.vote(record, "ana"), Done)
    await comes(play, await used(play, record))
    await play.slack.open_home("U0OWN")
    home = await home_with(play, "U0OWN", "Somebody has to look")
    assert "Refund $1,400.00 to order 881" in texts(home["blocks"])
    message = await direct(play, "U0OWN", "Your agent support-bot: outcome unknown")
    assert buttons(message) == {"open_card", "details"}
    await play.idle(30)
    card = play.slack.message(channel, ts)
    assert card is not None
    assert "outcome unknown, somebody has to look" in texts(card["blocks"])
    story = texts([m["blocks"] for m in play.slack.messages(channel, thread_ts=ts)])
    assert "Nobody reported in time what came of it" in story
    again = await collect.collect(play.deps, AGENT, record.id)
    assert isinstance(again, Refused)
    assert again.code == "grant_redeemed"

    late = ReportOutcome(agent=EXECUTOR, action_id=record.id, result=Result.SUCCEEDED)
    assert isinstance(await outcome.report(play.deps, late), Done)
    await play.idle(30)
    card = play.slack.message(channel, ts)
    assert card is not None
    assert "executed" in texts(card["blocks"])
    await play.slack.open_home("U0OWN")
    await play.slack.wait_for(
        lambda s: "Somebody has to look" not in texts((s.home("U0OWN") or {}).get("blocks")), 30
    )


async def test_what_had_no_card_gets_none_for_being_unknown(play: Stage) -> None:
    """INV-22: policy let it through alone; the owner is told all the same, and nobody else."""
    play.reload(
        POLICY.replace(
            "rules:\n", "rules:" + FREE.replace("max_runtime_sec: 30", "max_runtime_sec: 0.001"), 1
        )
    )
    record = await used(play, await play.propose("free.refund"))
    assert record.deadline is not None
    assert record.report_by is not None
    early = await fire(play.deps, FireDeadline(action_id=record.id, seq=record.deadline.seq))
    assert isinstance(early, Refused)
    play.deps.clock.anchor(record.report_by)  # type: ignore[attr-defined] - the steady clock of the stage
    await comes(play, record)
    message = await direct(play, "U0OWN", "Your agent support-bot: outcome unknown")
    assert buttons(message) == {"details"}
    assert play.cards_of(record) == []
    await play.slack.click("U0OWN", message["channel"], message["ts"], "details")
    await play.modal("U0OWN", "details")
