"""Sample views of messages that stand for many requests, and of the queue of somebody in a flood."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gate.domain.request import Status
from gate.domain.risk import Risk
from gate.usecases.views import ActionView, DigestItem, DigestView
from tests.fakes.views import (
    ACTION,
    ANA,
    BO,
    CRITICAL,
    DEE,
    HELD,
    LOW,
    MENTIONING,
    NOW,
    QUEUE,
    REFUND,
    queue_line,
)


def item_of(view: ActionView, number: int = 0) -> DigestItem:
    """The view as an item of a digest."""
    return DigestItem(
        action_id=f"{ACTION[:-2]}{number:02d}",
        version=view.version,
        summary=view.summary,
        risk=view.risk,
        rule=view.rule,
        trigger=view.trigger,
        runs=view.tool or view.topic,
        environment=view.environment,
        amount_usd=view.amount_usd,
        sla_at=view.sla_at,
        held=view.held,
        approvals=len(view.approvals),
        quorum=view.quorum,
        allow=view.allow,
    )


def _medium(number: int) -> DigestItem:
    item = item_of(
        replace(REFUND, risk=Risk.MEDIUM, summary=f"Refund ${number + 3}.00 to order {number + 880}"), number
    )
    return replace(item, amount_usd=number + 3.0, sla_at=NOW + timedelta(minutes=20 + number))


BURST = DigestView(
    digest_id="dig_01jcg5x2k7m3q8r4t6v9w0y1zb",
    now=NOW,
    agent_name="support-bot",
    agent_team="support",
    items=(
        item_of(replace(CRITICAL, allow=REFUND.allow), 0),
        item_of(REFUND, 1),
        item_of(HELD, 2),
        *(_medium(number) for number in range(3, 11)),
        item_of(LOW, 11),
    ),
    by_status={Status.PENDING: 37, Status.APPROVED: 12, Status.REJECTED: 1, Status.EXPIRED: 3},
    waiting={Risk.CRITICAL: 1, Risk.HIGH: 2, Risk.MEDIUM: 33, Risk.LOW: 1},
    overdue=1,
    next_due=NOW + timedelta(minutes=5),
    mentioned=(ANA, BO),
    asked=(DEE,),
)
_LONG = "\u202egnp.exe <!channel> *bold* <https://evil.example|ok> \U0001f9d1\u200d\U0001f680 " * 40
DIGESTS = {
    "burst": BURST,
    "one": replace(
        BURST,
        items=(_medium(1),),
        by_status={Status.PENDING: 1},
        waiting={Risk.MEDIUM: 1},
        overdue=0,
        asked=(),
    ),
    "done": replace(
        BURST,
        items=(),
        by_status={Status.APPROVED: 38, Status.REJECTED: 2},
        waiting={},
        overdue=0,
        next_due=None,
    ),
    "hostile": replace(
        BURST,
        agent_name=_LONG,
        agent_team=_LONG,
        items=tuple(
            replace(
                item_of(MENTIONING, number),
                summary=_LONG,
                rule=_LONG,
                trigger=_LONG,
                runs=_LONG,
                environment=_LONG,
                allow=REFUND.allow,
                quorum=3,
            )
            for number in range(12)
        ),
        mentioned=tuple(replace(ANA, id=f"p{n}", slack=f"U0P{n:03d}") for n in range(60)),
        asked=tuple(replace(DEE, id=f"q{n}", name=_LONG) for n in range(200)),
    ),
}

FLOODED = replace(
    QUEUE,
    mine=(
        *(
            replace(
                queue_line(REFUND, number=number),
                risk=Risk.HIGH if number > 25 else Risk.MEDIUM,
                sla_at=NOW + timedelta(minutes=5 + number),
            )
            for number in range(29)
        ),
        replace(queue_line(CRITICAL, number=29), sla_at=NOW + timedelta(hours=9)),
    ),
    more=12,
    by_risk={Risk.CRITICAL: 1, Risk.HIGH: 4, Risk.MEDIUM: 37},
)
