"""Sample views for whoever shows things to people: one ordinary request, its variations, and hostile ones."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gate.domain.action import Source, Upstream
from gate.domain.request import Choice, Result, Status
from gate.domain.risk import Risk
from gate.usecases.views import (
    ActionView,
    ChangeView,
    DecidedLine,
    DecisionView,
    DelegationView,
    EditView,
    EmergencyView,
    EvidenceView,
    ExecutionView,
    GlassView,
    HistoryView,
    OnCallLine,
    PersonRef,
    QueueLine,
    QueueView,
    ReviewLine,
    SlotView,
    StandInView,
    UnknownLine,
    VoteView,
)

NOW = datetime(2026, 11, 12, 14, 4, tzinfo=UTC)
ANA = PersonRef(id="ana", name="Ana Ruiz", slack="U0ANA")
BO = PersonRef(id="bo", name="Bo Lindqvist", slack="U0BO")
CHO = PersonRef(id="cho", name="Cho Park", slack="U0CHO")
OWN = PersonRef(id="own", name="Own Hart", slack="U0OWN")
DEE = PersonRef(id="dee", name="Dee Okafor")
ACTION = "act_01jcg5x2k7m3q8r4t6v9w0y1zb"


def digest(payload: Any) -> str:
    """A stand-in digest; only its shape matters to what is shown."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def with_payload(view: ActionView, payload: dict[str, Any]) -> ActionView:
    """The view with another payload, its digest and its size."""
    size = len(json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return replace(
        view,
        payload=payload,
        proposed_payload=payload,
        payload_sha256=digest(payload),
        payload_bytes=size,
        payload_schema=None,
        editable_paths=None,
        editable_schema=None,
    )


REFUND_PAYLOAD: dict[str, Any] = {"amount": 1400, "order": "881", "note": "double charge on 12 Nov"}

REFUND = ActionView(
    action_id=ACTION,
    now=NOW,
    status=Status.PENDING,
    held=False,
    version=1,
    summary="Refund $1,400.00 to order 881",
    topic="job.support.process-refund",
    tool="stripe.refund",
    environment="prod",
    labels={"region": "eu"},
    agent_name="support-bot",
    agent_team="support",
    owner=OWN,
    workflow="customer-refund",
    workflow_step="3",
    run_id="run-5521",
    trigger_of_run="ticket 77",
    original_request="Please refund the second charge of 12 November, I only bought it once.",
    model="helper-large 2026-09",
    prompt_version="refunds-14",
    sources=(Source(id="kb-12", title="Refund handbook", url="https://kb.example.com/refunds"),),
    upstream=(Upstream(agent="triage-bot", step="1", summary="Sorted the ticket as a billing question"),),
    policy_flags=(),
    created_at=NOW - timedelta(minutes=2),
    sla_at=NOW + timedelta(minutes=28),
    risk=Risk.HIGH,
    risk_tags=("financial", "write"),
    rule="refunds",
    reason="Large refund",
    trigger="amount_usd 1,400 > 100",
    policy_version="v1",
    policy_digest="sha256:5f1c9a" + "0" * 58,
    payload=REFUND_PAYLOAD,
    payload_sha256=digest(REFUND_PAYLOAD),
    payload_bytes=65,
    payload_schema=None,
    proposed_payload=REFUND_PAYLOAD,
    changes=(),
    edits=(),
    evidence=(
        EvidenceView(label="Order", value="881", tone="slate", url=None, by_gate=True),
        EvidenceView(
            label="Contract",
            value="CON-4821",
            tone="emerald",
            url="https://crm.example.com/4821",
            by_gate=False,
        ),
        EvidenceView(label="Prior refunds", value="5 this quarter", tone="red", url=None, by_gate=False),
    ),
    rationale="Customer was charged twice on 12 November, see ticket 77.",
    confidence=0.71,
    amount_usd=1400,
    affected_users=1,
    anomaly_score=None,
    retry_count=0,
    claimed=frozenset({"confidence", "affected_users"}),
    history=HistoryView(
        first_time=False, total=13, allowed=0, approved=12, rejected=1, amount_low=20, amount_high=900
    ),
    constraints={},
    remediations=(),
    quorum=1,
    groups=("finance-approvers",),
    slots=(),
    votes=(),
    asked=(ANA, BO),
    allow=frozenset({"approve", "edit", "reject", "reassign"}),
    editable_paths=None,
    editable_schema=None,
    escalation_step=0,
    decision=None,
    execution=None,
)
"""The request of the sketch in the design: pending, high, whole on the card."""

EDITED_PAYLOAD = {**REFUND_PAYLOAD, "amount": 1200}
_CHANGES = (ChangeView(pointer="/amount", old=1400, new=1200),)
EDITED = replace(
    REFUND,
    version=2,
    payload=EDITED_PAYLOAD,
    payload_sha256=digest(EDITED_PAYLOAD),
    changes=_CHANGES,
    edits=(
        EditView(
            version=2,
            editor=ANA,
            at=NOW - timedelta(minutes=1),
            comment="Shipping is not refunded",
            changes=_CHANGES,
        ),
    ),
)

APPROVED = replace(
    EDITED,
    status=Status.APPROVED,
    now=NOW + timedelta(minutes=10),
    votes=(
        VoteView(
            person=ANA,
            choice=Choice.APPROVE,
            version=2,
            at=NOW - timedelta(seconds=79),
            comment=None,
            current=True,
        ),
    ),
    decision=DecisionView(
        status=Status.APPROVED, at=NOW - timedelta(seconds=79), by=ANA, words="Approved by Ana Ruiz"
    ),
    execution=ExecutionView(
        redeemed_at=NOW + timedelta(minutes=1),
        result=Result.SUCCEEDED,
        detail=None,
        at=NOW + timedelta(minutes=2),
    ),
)

REJECTED = replace(
    REFUND,
    status=Status.REJECTED,
    votes=(
        VoteView(
            person=BO, choice=Choice.REJECT, version=1, at=NOW, comment="The order is 818.", current=True
        ),
    ),
    decision=DecisionView(
        status=Status.REJECTED,
        at=NOW,
        by=BO,
        words="Rejected by Bo Lindqvist",
        category="Wrong recipient, account or system",
        comment="The order is 818.",
    ),
)

EXPIRED = replace(
    REFUND,
    status=Status.EXPIRED,
    now=NOW + timedelta(minutes=30),
    decision=DecisionView(
        status=Status.EXPIRED,
        at=NOW + timedelta(minutes=28),
        by=None,
        words="Expired: nobody decided in time",
    ),
)

CANCELLED = replace(
    REFUND,
    status=Status.CANCELLED,
    decision=DecisionView(status=Status.CANCELLED, at=NOW, by=None, words="Cancelled by support-bot"),
)

FAILED = replace(
    APPROVED,
    execution=ExecutionView(
        redeemed_at=NOW,
        result=Result.FAILED,
        detail="card_declined",
        at=NOW + timedelta(minutes=2),
        defect=True,
        incident=True,
    ),
)

CRITICAL = replace(
    REFUND,
    summary="Delete the customer table of production",
    topic="ops.database.drop",
    tool="postgres.drop_table",
    risk=Risk.CRITICAL,
    risk_tags=("prod", "delete"),
    rule="destructive",
    reason="Irreversible in production",
    trigger="risk_tags prod, delete",
    payload={"database": "crm", "table": "customer", "cascade": True, "backup": None, "retries": 0.5},
    payload_bytes=81,
    workflow=None,
    workflow_step=None,
    quorum=2,
    groups=(),
    slots=(SlotView(group="security", filled_by=BO), SlotView(group="compliance", filled_by=None)),
    votes=(
        VoteView(person=BO, choice=Choice.APPROVE, version=1, at=NOW, comment="Backup checked", current=True),
    ),
    asked=(ANA, BO, DEE),
    evidence=(),
    amount_usd=None,
    affected_users=48_210,
    confidence=0.93,
    claimed=frozenset({"confidence"}),
    rationale=None,
    history=HistoryView(
        first_time=True, total=0, allowed=0, approved=0, rejected=0, amount_low=None, amount_high=None
    ),
    allow=frozenset({"approve", "reject"}),
)

DELEGATED = replace(
    APPROVED,
    votes=tuple(replace(v, person=BO, on_behalf_of=ANA) for v in APPROVED.votes),
    execution=None,
)
"""Decided by Bo for Ana."""

ACTING = replace(
    CRITICAL,
    slots=(),
    votes=tuple(replace(v, on_behalf_of=CHO) for v in CRITICAL.votes),
    stand_ins=(StandInView(person=BO, grantor=ANA),),
)
"""Half decided, by Bo for Cho; Bo may also decide for Ana."""

HELD = replace(
    CRITICAL,
    held=True,
    escalation_step=3,
    sla_at=NOW - timedelta(minutes=40),
    created_at=NOW - timedelta(hours=1),
)

EMAIL = with_payload(
    replace(
        REFUND,
        summary="Send the renewal offer to Acme",
        topic="mail.external.send",
        tool="gmail.send",
        risk=Risk.MEDIUM,
        rule="external-mail",
        reason="Mail to somebody outside",
        trigger="risk_tags external",
        confidence=0.92,
        amount_usd=None,
        claimed=frozenset({"confidence"}),
        rationale="Their contract ends on 30 November.\nThe template is the one marketing approved.",
    ),
    {
        "to": ["sam@acme.example", "lee@acme.example"],
        "subject": "Your renewal",
        "body": "Hi Sam,\n\nyour contract ends soon. Here is what we would like to offer:\n\n"
        "- the same seats\n- 10 % less\n\nBest,\nOwn",
        "track_opens": False,
        "send_at": "2026-11-13T08:00:00Z",
        "headers": {"reply-to": "own@example.com", "list-unsubscribe": ""},
        "campaign": {"id": 77, "budget": 12.5, "tags": []},
    },
)

LOW = replace(
    EMAIL,
    risk=Risk.LOW,
    sla_at=None,
    rationale=None,
    evidence=(),
    workflow=None,
    environment=None,
    claimed=frozenset(),
    asked=(),
    allow=frozenset({"approve"}),
)

LOOKALIKE = with_payload(
    replace(EMAIL, summary="Pay the invoice of раypal.com"),
    {
        "to": "billing@pаypal.com",
        "site": "https://xn--pypal-4ve.com/pay",
        "account": "DE89 3704\u200b0044 0532",
        "note": "abc\u202egpj.exe",
        "cafe\u0301": 1,
        "café": 2,
    },
)

LONG = with_payload(
    replace(REFUND, summary="Import 400 contacts into the CRM", tool="crm.import"),
    {"contacts": [{"name": f"Person {n}", "mail": f"p{n}@example.com"} for n in range(400)]},
)

MENTIONING = with_payload(
    replace(
        REFUND,
        summary="<!channel> *please* click <https://evil.example|here> @here <@U0ANA> &amp; `now`",
        rationale="<!everyone> https://evil.example/login and @channel :rotating_light: _trust me_",
        agent_name="bot<!here>",
        reason="<@U0BO> said so",
        evidence=(
            EvidenceView(
                label="<!channel>",
                value="<https://evil.example|ok>",
                tone="pink",
                url="javascript:1",
                by_gate=False,
            ),
        ),
    ),
    {"<!channel>": "<@U0ANA>", "text": "*bold* https://evil.example @here"},
)

EMPTY = with_payload(replace(REFUND, summary="Run the nightly job", tool=None), {})

EMERGENCY = EmergencyView(
    person=BO,
    reason="The bank closes in ten minutes, and nobody of finance answers",
    at=NOW,
    until=NOW + timedelta(minutes=30),
    supervisors=(CHO, DEE),
    review_due_at=NOW + timedelta(days=1),
    state="open",
)
BROKEN_DECISION = DecisionView(status=Status.APPROVED, at=NOW, by=BO, words="Released in an emergency")
BROKEN = replace(
    REFUND,
    status=Status.APPROVED,
    quorum=2,
    now=NOW + timedelta(minutes=1),
    decision=BROKEN_DECISION,
    emergency=EMERGENCY,
)
"""Released in an emergency, and not reviewed yet."""
UNREVIEWED = replace(BROKEN, emergency=replace(EMERGENCY, state="overdue"))
UNJUSTIFIED = replace(
    BROKEN,
    decision=replace(BROKEN_DECISION, taken_back=True),
    emergency=replace(
        EMERGENCY,
        state="unjustified",
        reviewer=CHO,
        comment="Ana was at her desk, <!here> could have asked",
        reviewed_at=NOW + timedelta(hours=1),
    ),
)
GLASS = GlassView(
    supervisors=(CHO, DEE), via=("slack", "pagerduty"), max_valid_sec=3_600, review_sla_sec=86_400
)

SAMPLES: dict[str, ActionView] = {
    "refund": REFUND,
    "edited": EDITED,
    "approved": APPROVED,
    "rejected": REJECTED,
    "expired": EXPIRED,
    "cancelled": CANCELLED,
    "failed": FAILED,
    "critical": CRITICAL,
    "held": HELD,
    "delegated": DELEGATED,
    "acting": ACTING,
    "email": EMAIL,
    "low": LOW,
    "lookalike": LOOKALIKE,
    "long": LONG,
    "mentioning": MENTIONING,
    "empty": EMPTY,
    "broken": BROKEN,
    "unreviewed": UNREVIEWED,
    "unjustified": UNJUSTIFIED,
}


def queue_line(view: ActionView, *, number: int = 0, posted: bool = True) -> QueueLine:
    """The view as a line of a queue."""
    return QueueLine(
        action_id=view.action_id[:-3] + f"{number:03d}",
        version=view.version,
        summary=view.summary,
        risk=view.risk,
        agent_name=view.agent_name,
        sla_at=view.sla_at,
        held=view.held,
        approvals=len(view.approvals),
        quorum=view.quorum,
        channel="C0APPROVALS" if posted else None,
        message_ts="1762955040.000100" if posted else None,
    )


LINK = "https://signoff.slack.example/archives/C0APPROVALS/p1762955040000100"
EMPTY_QUEUE = QueueView(person=ANA, now=NOW, mine=(), more=0)
QUEUE = QueueView(
    person=ANA,
    now=NOW,
    mine=(
        queue_line(HELD, number=1),
        queue_line(REFUND, number=2),
        queue_line(EMAIL, number=3, posted=False),
        queue_line(LOW, number=4),
        queue_line(MENTIONING, number=5),
    ),
    more=2,
    decided=(
        DecidedLine(
            action_id=ACTION,
            summary=APPROVED.summary,
            status=Status.APPROVED,
            at=NOW - timedelta(hours=3),
            link=LINK,
        ),
        DecidedLine(
            action_id=ACTION,
            summary=EMAIL.summary,
            status=Status.REJECTED,
            at=NOW - timedelta(days=1),
            link=None,
        ),
    ),
)
LENT = DelegationView(
    id="dlg_01jcg5x2k7m3q8r4t6v9w0y1zb",
    grantor=ANA,
    delegate=BO,
    topics=("job.support.*", "note.*"),
    groups=("finance-approvers",),
    start=NOW - timedelta(days=1),
    end=NOW + timedelta(days=6),
    reason="On holiday until Monday",
    now=NOW,
)
"""Ana's authority, lent to Bo."""
HELD_LENT = replace(
    LENT,
    id="dlg_01jcg5x2k7m3q8r4t6v9w0y1zc",
    grantor=DEE,
    delegate=ANA,
    topics=(),
    groups=(),
    start=NOW + timedelta(hours=5),
    reason="<!channel> *away* @here",
)
LENDING_QUEUE = replace(
    QUEUE,
    mine=(replace(queue_line(REFUND, number=2), on_behalf_of=DEE),),
    delegations=(LENT, HELD_LENT),
)
REVIEWING_QUEUE = replace(
    EMPTY_QUEUE,
    reviews=tuple(
        ReviewLine(
            action_id=ACTION,
            version=1,
            summary=summary,
            risk=Risk.HIGH,
            person=BO,
            at=NOW - timedelta(hours=25),
            due_at=NOW - timedelta(hours=1) if late else NOW + timedelta(hours=1),
            overdue=late,
            channel="C0APPROVALS",
            message_ts="1762955040.000100",
        )
        for summary, late in (("Refund $1,400.00 to order 881", True), (MENTIONING.summary, False))
    ),
)
UNKNOWN_QUEUE = replace(
    EMPTY_QUEUE,
    unknown=tuple(
        UnknownLine(
            action_id=ACTION,
            version=1,
            summary=summary,
            risk=Risk.HIGH,
            agent_name="support-bot",
            at=NOW - timedelta(hours=3),
            channel=channel,
            message_ts="1762955040.000100" if channel else None,
        )
        for summary, channel in (("Refund $1,400.00 to order 881", "C0APPROVALS"), (MENTIONING.summary, None))
    ),
)
FULL_QUEUE = replace(
    LENDING_QUEUE,
    mine=tuple(queue_line(REFUND, number=n) for n in range(60)),
    delegations=(LENT,) * 12,
    reviews=REVIEWING_QUEUE.reviews * 9,
    unknown=UNKNOWN_QUEUE.unknown * 9,
)
"""As much as there can be at once."""
QUEUES = {
    "empty": EMPTY_QUEUE,
    "busy": QUEUE,
    "lending": LENDING_QUEUE,
    "reviewing": REVIEWING_QUEUE,
    "unknown": UNKNOWN_QUEUE,
    "full": FULL_QUEUE,
}

ONCALL = (
    OnCallLine(rota="primary", person=ANA, until=NOW + timedelta(days=4), next_person=BO),
    OnCallLine(rota="security", person=None, until=None),
)
