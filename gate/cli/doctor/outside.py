"""What `gate doctor` asks of systems other than Slack: the mail server, PagerDuty's events and its schedules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import aiohttp

from gate.config import Settings
from gate.delivery.email import EmailChannel
from gate.delivery.schedules import PagerDutySchedules
from gate.domain.people import Directory
from gate.usecases.checkup import Line, fail, ok
from gate.usecases.filling import SCHEDULE, USERGROUP, Known, filled
from gate.usecases.ports import Listed, Listing, ListUnavailable
from gate.wiring.desk import Desk

ASK_SEC = 10.0
NO_ALERT = "signoff-doctor"
"""The dedup key of an alert that never is: resolving it shows that the key is taken, and pages nobody."""


async def outside_lines(desk: Desk, settings: Settings) -> AsyncIterator[Line]:
    """The ways to people outside Slack that are set up; no letter is sent and nobody is paged."""
    server = settings.mail_server
    if server is not None:
        problem = await EmailChannel(deps=desk.deps, server=server, link=_no_link).check()
        if problem is None:
            yield ok("e-mail", "SMTP_URL", "the server takes the connection and the login")
        else:
            todo = "Correct SMTP_URL, or the way out to the server; until then ladders send no letters."
            yield fail("e-mail", "SMTP_URL", problem, todo)
    if settings.pagerduty_routing_key is not None:
        key = settings.pagerduty_routing_key.get_secret_value()
        yield await _events_line(settings.pagerduty_events_url, key)


async def _no_link(action_id: str) -> str | None:
    return None


async def _events_line(url: str, key: str) -> Line:
    subject = "PAGERDUTY_ROUTING_KEY"
    event = {"routing_key": key, "event_action": "resolve", "dedup_key": NO_ALERT}
    timeout = aiohttp.ClientTimeout(total=ASK_SEC)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(url, json=event, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        says = f"PagerDuty cannot be reached ({type(error).__name__})."
        return fail("pagerduty", subject, says, "Correct PAGERDUTY_EVENTS_URL, or the way out to it.")
    if status == 202:
        return ok("pagerduty", subject, "PagerDuty takes events with it")
    says = f"PagerDuty answers {status} to an event with it."
    return fail("pagerduty", subject, says, "Copy the integration key (Events API v2) of the service again.")


async def schedules(
    desk: Desk, settings: Settings, directory: Directory
) -> tuple[tuple[Line, ...], Mapping[str, Listed]]:
    """Each PagerDuty schedule of people.yaml, read now: what came of it, and the turns of those that were read."""
    token = settings.pagerduty_api_token
    reader = PagerDutySchedules(
        token=None if token is None else token.get_secret_value(),
        api_url=settings.pagerduty_api_url,
        clock=desk.deps.clock,
    )
    lines: list[Line] = []
    read: dict[str, Listed] = {}
    for rota in directory.rotas.values():
        if rota.schedule is None or rota.schedule in read:
            continue
        subject = f"schedule {rota.schedule}"
        try:
            listed = read[rota.schedule] = await reader.read(rota.schedule)
        except ListUnavailable as unavailable:
            todo = (
                f"Correct the token, or the schedule of {rota.name} in people.yaml; its rotation stands in."
            )
            lines.append(fail("pagerduty", subject, f"It cannot be read: {unavailable}.", todo))
            continue
        unknown = sorted({turn.email for turn in listed.turns if directory.find(turn.email) is None})
        if unknown:
            says = f"It names {', '.join(unknown)}, whom people.yaml does not have."
            lines.append(
                fail("pagerduty", subject, says, "Add them to people.yaml, or their address as an alias.")
            )
        else:
            lines.append(
                ok("pagerduty", subject, f"{len(listed.turns)} turns ahead, for the rota {rota.name}")
            )
    return tuple(lines), read


async def with_lists(
    desk: Desk, directory: Directory, *, usergroups: Mapping[str, Listed], turns: Mapping[str, Listed]
) -> Directory:
    """The directory with what was read just now; what could not be read is as the running gates know it."""
    now = desk.deps.clock.now()
    async with desk.store.reading() as tx:
        known, pins = {each.source: each for each in await tx.listings.all()}, await tx.pins.all()
    for kind, lists in ((USERGROUP, usergroups), (SCHEDULE, turns)):
        for name, listed in lists.items():
            source = f"{kind}:{name}"
            known[source] = Listing(source=source, read_at=now, listed=listed)
    found = filled(directory, Known(listings=tuple(known.values()), pins=pins))
    return replace(found, as_of=now)
