"""The ways outside Slack by which a ladder calls people: which of them the settings open."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from gate.config import Settings
from gate.delivery import email, pagerduty
from gate.delivery.brief import Link
from gate.delivery.nowhere import Nowhere
from gate.usecases.ports import Deps
from gate.wiring.readiness import Part
from gate.wiring.slack import revealed
from gate.workers.outbox import Terms


@dataclass(frozen=True, kw_only=True, slots=True)
class Ways:
    """`terms` are of every way, for what is not set up answers that it is not; `open` are those that are."""

    terms: dict[str, Terms]
    open: dict[str, Part] = field(default_factory=dict[str, Part])


def ways_to_call(settings: Settings, deps: Deps, *, link: Link, tls: ssl.SSLContext) -> Ways:
    """How mail and PagerDuty are reached. Messages carry the `link` of their request's card."""
    server, key = settings.mail_server, revealed(settings.pagerduty_routing_key)
    ways = Ways(
        terms={
            "email": Terms(channel=Nowhere("SMTP_URL")),
            "pagerduty": Terms(channel=Nowhere("PAGERDUTY_ROUTING_KEY")),
        }
    )
    if server is not None:
        mail = email.EmailChannel(deps=deps, server=server, link=link, tls=tls)
        ways.open["email"] = mail
        ways.terms["email"] = Terms(channel=mail, at_once=4, give_up_attempts=email.GIVE_UP_ATTEMPTS)
    if key is not None:
        pager = pagerduty.PagerDutyChannel(
            deps=deps, routing_key=key, events_url=settings.pagerduty_events_url, link=link, tls=tls
        )
        ways.open["pagerduty"] = pager
        ways.terms["pagerduty"] = Terms(channel=pager, at_once=4, give_up_attempts=pagerduty.GIVE_UP_ATTEMPTS)
    return ways


def unserved(settings: Settings) -> frozenset[str]:
    """The ways of calling people that these settings do not open; no ladder may use them."""
    closed = {
        "email": settings.smtp_url is None,
        "pagerduty": settings.pagerduty_routing_key is None,
    }
    return frozenset(way for way, missing in closed.items() if missing)
