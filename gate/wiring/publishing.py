"""The places outside the database that the settings name for checkpoints, and who brings them there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from gate.clock import SteadyClock
from gate.config import Settings
from gate.delivery.guarded import Caller
from gate.delivery.places import Folder, ToSlack, ToWebhook
from gate.delivery.stamping import Authority, read_certificates
from gate.metrics import Metrics
from gate.usecases.ports import Deps, Place
from gate.wiring.listening import StartError
from gate.workers.publisher import Publisher


def publisher(
    settings: Settings,
    deps: Deps,
    *,
    clock: SteadyClock,
    metrics: Metrics,
    secrets: tuple[str, ...],
    tls: ssl.SSLContext,
) -> Publisher | None:
    """None where no place is named. Raises StartError."""
    places = tuple(_places(settings, deps, clock, secrets, tls))
    if not places:
        return None
    return Publisher(store=deps.store, clock=clock, wakeups=deps.wakeups, metrics=metrics, places=places)


def _places(
    settings: Settings, deps: Deps, clock: SteadyClock, secrets: tuple[str, ...], tls: ssl.SSLContext
) -> Iterator[Place]:
    often, calm = float(settings.checkpoints_every_sec), float(settings.checkpoints_calm_every_sec)
    caller = Caller(networks=settings.callback_networks, tls=tls)
    if settings.checkpoints_folder is not None:
        yield Folder(settings.checkpoints_folder, every_sec=often)
    if settings.checkpoints_webhook is not None:
        yield ToWebhook(
            settings.checkpoints_webhook,
            every_sec=often,
            secrets=secrets,
            clock=clock,
            caller=caller,
            source=deps.limits.public_url,
        )
    if settings.checkpoints_slack is not None:
        yield ToSlack(
            settings.checkpoints_slack,
            every_sec=calm,
            store=deps.store,
            ids=deps.ids,
            clock=clock,
            wakeups=deps.wakeups,
        )
    if settings.checkpoints_authority is not None:
        path = settings.checkpoints_authority_certificates
        try:
            certificates = read_certificates(path) if path is not None else ()
        except (OSError, ValueError):
            raise StartError(
                f"GATE_CHECKPOINTS_AUTHORITY_CERTIFICATES: {path} holds no certificate in PEM."
            ) from None
        yield Authority(
            settings.checkpoints_authority,
            every_sec=calm,
            certificates=certificates,
            store=deps.store,
            clock=clock,
            caller=caller,
        )
