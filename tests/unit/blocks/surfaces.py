"""Every surface of every sample, by name: what the goldens hold and what the limits are checked on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bot import ids
from bot.blocks.card import card
from bot.blocks.delegation import delegate_modal, delegation_message
from bot.blocks.digest import digest
from bot.blocks.direct import direct_message, summary_message
from bot.blocks.gate_command import (
    done_message,
    help_message,
    oncall_message,
    queue_message,
    refusal_message,
)
from bot.blocks.glass import break_glass_modal, choose_modal, review_modal
from bot.blocks.history import history_modal
from bot.blocks.home import home
from bot.blocks.modals import (
    confirm_modal,
    decided_modal,
    details_modal,
    edit_modal,
    notice_modal,
    reassign_modal,
    reject_modal,
)
from bot.blocks.policy_in_force import policy_message
from bot.blocks.report import report_message
from bot.blocks.thread import thread_line
from gate.usecases.views import ActionView, Chapter, ChapterLine, PersonRef, ThreadEvent
from tests.fakes.digests import DIGESTS, FLOODED
from tests.fakes.reports import POLICIES, REPORTS
from tests.fakes.views import ANA, BO, CHO, DEE, GLASS, LENT, LINK, NOW, ONCALL, OWN, QUEUES, SAMPLES

Json = dict[str, Any]

KINDS = (
    "approval.vote",
    "approval.granted",
    "approval.rejected",
    "approval.edited",
    "approval.reassigned",
    "approval.escalated",
    "approval.sla_breach",
    "approval.repaged",
    "approval.expired",
    "approval.timeout_allowed",
    "approval.break_glass",
    "review.overdue",
    "review.closed",
    "action.cancelled",
    "grant.redeemed",
    "grant.revoked",
    "outcome.reported",
    "outcome.overdue",
    "something.new",
)


def state_of(view: ActionView) -> ids.ModalState:
    """Where a modal of this view was opened."""
    return ids.ModalState(
        action_id=view.action_id, version=view.version, channel="C0APPROVALS", message_ts="1762955040.000100"
    )


def told_of(view: ActionView) -> tuple[Chapter, ...]:
    """A story in the words of the view's agent, chapter by chapter."""
    words = (view.summary, view.topic, view.rationale or "", view.reason, *(e.value for e in view.evidence))
    return (
        Chapter(
            title="What was proposed",
            lines=tuple(ChapterLine(label=view.agent_name, text=text) for text in words),
        ),
        Chapter(
            title="Who was asked",
            lines=tuple(ChapterLine(label=f"Step {n}", text=view.summary) for n in range(3)),
        ),
    )


def modals(view: ActionView) -> Iterator[tuple[str, Json]]:
    """(name, view) of every modal, of the paged ones the first, second and last page."""
    state = state_of(view)
    people = [ANA, BO, CHO, OWN, DEE, *view.asked]
    for page in (0, 1, 9_999):
        yield f"details-{page}", details_modal(view, state, page)
        yield f"confirm-{page}", confirm_modal(view, state, page)
        yield f"glass-{page}", break_glass_modal(view, GLASS, state, page)
        yield f"review-{page}", review_modal(view, state, page)
    yield "history", history_modal(told_of(view), state)
    yield "edit", edit_modal(view, state)
    yield "reject", reject_modal(view, state)
    yield "reassign", reassign_modal(view, state, people, {"finance-approvers": [ANA, BO]})
    yield "decided", decided_modal(view, state)


def messages(view: ActionView) -> Iterator[tuple[str, str, list[Json]]]:
    """(name, text, blocks) of every message about one action."""
    made = card(view)
    yield "card", made.text, made.blocks
    for why in ("asked", "escalated", "outcome", "break_glass", "review_overdue"):
        line = direct_message(view, why, LINK)
        yield f"direct-{why}", line.text, line.blocks
    for kind in KINDS:
        line = thread_line(event(kind, view), view)
        yield f"thread-{kind}", line.text, line.blocks


def event(kind: str, view: ActionView, who: PersonRef | None = None) -> ThreadEvent:
    """An event as the outbox would tell it."""
    told = kind in ("approval.reassigned", "approval.escalated", "approval.repaged", "approval.break_glass")
    return ThreadEvent(
        action_id=view.action_id,
        kind=kind,
        at=NOW,
        who=who or ANA,
        detail={"counted": 1, "quorum": view.quorum, "version": view.version, "voided": 1, "step": 2},
        mention=view.asked if told else (),
    )


def goldens() -> Iterator[tuple[str, Any]]:
    """(file name, JSON) of everything that is reviewed like a screenshot."""
    for name, view in SAMPLES.items():
        made = card(view)
        yield f"card_{name}", {"text": made.text, "metadata": made.metadata, "blocks": made.blocks}
    for name in ("refund", "edited", "email", "long"):
        for kind, shown in modals(SAMPLES[name]):
            if kind.startswith(("glass", "review")):
                continue
            if name in ("refund", "email") or kind in ("decided", "confirm-0", "confirm-9999"):
                yield f"modal_{kind}_{name}", shown
    for name, view in (("edited", SAMPLES["edited"]), ("failed", SAMPLES["failed"])):
        lines = {kind: thread_line(event(kind, view), view) for kind in KINDS}
        yield (
            f"thread_{name}",
            {kind: {"text": line.text, "blocks": line.blocks} for kind, line in lines.items()},
        )
    narrow = replace(SAMPLES["refund"], editable_paths=("/amount",))
    yield "modal_edit_narrow", edit_modal(narrow, state_of(narrow))
    yield "direct_asked", direct_message(SAMPLES["refund"], "asked", LINK)._asdict()
    yield "direct_outcome", direct_message(SAMPLES["failed"], "outcome", None)._asdict()
    for name, queue in QUEUES.items():
        yield f"home_{name}", home(queue, {queue.mine[0].action_id: LINK} if queue.mine else None)
        yield f"command_queue_{name}", queue_message(queue)._asdict()
    for event_name in ("granted", "revoked"):
        item = replace(LENT, revoked_by=BO) if event_name == "revoked" else LENT
        yield f"delegation_{event_name}", delegation_message(item, ANA, event_name)._asdict()
    broken = SAMPLES["broken"]
    for why in ("break_glass", "review_overdue"):
        yield f"direct_{why}", direct_message(broken, why, LINK)._asdict()
    told = {
        kind: thread_line(event(kind, broken), broken)
        for kind in KINDS
        if "review" in kind or "glass" in kind
    }
    yield "thread_broken", {kind: {"text": line.text, "blocks": line.blocks} for kind, line in told.items()}
    yield "modal_choose_request", choose_modal(QUEUES["busy"].mine)
    yield "modal_choose_nothing", choose_modal(())
    yield "modal_break_glass", break_glass_modal(SAMPLES["refund"], GLASS, state_of(SAMPLES["refund"]))
    yield "modal_break_glass_long", break_glass_modal(SAMPLES["long"], GLASS, state_of(SAMPLES["long"]))
    yield "modal_review", review_modal(broken, state_of(broken))
    yield "modal_delegate", delegate_modal([BO, CHO, DEE], ["finance-approvers", "legal"], NOW)
    yield "direct_standing_in", direct_message(SAMPLES["refund"], "asked", LINK, ANA)._asdict()
    for name, report in REPORTS.items():
        if name != "crowded":
            yield f"command_report_{name}", report_message(report)._asdict()
    for name in ("usual", "none"):
        yield f"command_policy_{name}", policy_message(POLICIES[name])._asdict()
    yield "home_own_figures", home(QUEUES["busy"], None, REPORTS["usual"].mine)
    for name, many in DIGESTS.items():
        if name != "hostile":
            message = digest(many)
            yield (
                f"digest_{name}",
                {"text": message.text, "metadata": message.metadata, "blocks": message.blocks},
            )
    summary = summary_message(FLOODED, {line.action_id: LINK for line in FLOODED.mine}, outcomes=3)
    yield "direct_summary", summary._asdict() if summary else None
    yield "command_oncall", oncall_message(ONCALL, NOW)._asdict()
    yield "command_help", help_message()._asdict()
    yield (
        "refusal",
        refusal_message("You own this agent, so somebody else has to decide.")._asdict(),
    )
    yield "done", done_message("Approved. The agent can go on.")._asdict()
    yield "notice", notice_modal("Not found", "There is no such action.")


def people_of(view: ActionView) -> frozenset[str]:
    """Slack ids that a surface of this view may mention."""
    found = [*view.asked, ANA, BO, CHO, OWN, DEE]
    return frozenset(person.slack for person in found if person.slack)


def decided(view: ActionView) -> ActionView:
    """The view once nothing can be done about it any more."""
    return replace(view, allow=frozenset())
