"""One gate process: which parts it is made of, and in which order they start and stop; it decides nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from aiohttp import web

from bot.app import Bot, SlackSettings, build_bot
from gate.addresses import Address
from gate.clock import SteadyClock
from gate.config import Settings
from gate.delivery.schedules import PagerDutySchedules
from gate.delivery.webhook import GIVE_UP_SEC, CallbackRules, WebhookChannel
from gate.domain.people import Directory
from gate.http.app import build_app, runner
from gate.http.settings import HttpSettings
from gate.ids import TimeSortedIds
from gate.keyring.checkpoints import load_checkpoint_signer
from gate.keyring.events import load_event_seal
from gate.keyring.sealing import SealingKeyring, load_sealing_keys
from gate.keyring.signer import GrantSigner, load_signer
from gate.keyring.webhooks import load_webhook_secrets
from gate.metrics import Metrics
from gate.store import SqlStore, open_store
from gate.store.postgres import database_time
from gate.store.radio import PostgresRadio
from gate.usecases.filling import SCHEDULE, USERGROUP
from gate.usecases.ports import Deps, Limits
from gate.wiring.calling import unserved, ways_to_call
from gate.wiring.desk import Desk
from gate.wiring.listening import StartError, listen
from gate.wiring.publishing import publisher
from gate.wiring.readiness import Readiness
from gate.wiring.slack import revealed, slack_of
from gate.workers.directory import DirectoryKeeper, LiveRules
from gate.workers.figures import FigureKeeper, ReviewMeter
from gate.workers.months import MonthKeeper
from gate.workers.outbox import OutboxWorker, Terms
from gate.workers.reload import PolicyFiles, PolicyHolder
from gate.workers.rules import RulesInForce
from gate.workers.sequencer import Sequencer
from gate.workers.shared_wakeups import SharedWakeups
from gate.workers.ticker import Ticker
from gate.workers.timekeeper import Timekeeper
from gate.workers.wakeups import LocalWakeups

if TYPE_CHECKING:
    from bot.sandbox import Sandbox

log = structlog.get_logger(__name__)


SLACK_ATTEMPTS = 20
"""Attempts that count before a Slack message is a dead letter: more than an hour with the back-off."""


STOP_SEC = 1.5
"""How long requests, and then deliveries, under way may take when the gate stops; with the bot's own grace less than
five seconds in all. A delivery cut short is looked for before it is made again."""


class _Part(Protocol):
    async def start(self) -> None: ...

    @property
    def stop(self) -> Callable[..., Awaitable[None]]: ...


class Gate:
    """One gate process. `start` returns when it serves; `stop` ends what `start` began, in the opposite order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        """Where the API is reached, once started."""
        self.sandbox: Sandbox | None = None
        self.deps: Deps | None = None
        self.desk: Desk | None = None
        self._clock = SteadyClock()
        self._metrics = Metrics()
        self._tls = ssl.create_default_context()
        """For all that is posted outside: each context would read every certificate of the machine again."""
        self._running = AsyncExitStack()

    async def start(self) -> None:
        """Serve. Where it cannot, everything begun is undone and the reason raised: StartError, KeyringError,
        PolicyError, StoreError or StoreUnavailable."""
        try:
            await self._start()
        except BaseException:
            await self._running.aclose()
            raise

    async def stop(self) -> None:
        """Take no more requests, finish what is under way, deliver what is on its way, and let go of everything."""
        log.info("gate.stopping")
        await self._running.aclose()
        log.info("gate.stopped")

    async def _start(self) -> None:
        settings, begun = self.settings, self._running
        signer = load_signer(settings.keys)
        notary = load_checkpoint_signer(settings.keys)
        secrets = load_webhook_secrets(settings.keys)
        sealing = await asyncio.to_thread(load_sealing_keys, settings.keys, settings.key_command)
        listening = begun.enter_context(listen(settings.bind, "GATE_BIND"))
        self.url = Address(listening.getsockname()[:2]).url
        public_url = settings.public_url or self.url
        # The files are read before the database is opened: a broken policy set should not cost a migration.
        files = PolicyFiles(settings.policies, settings.people)
        holder = await asyncio.to_thread(PolicyHolder, files, unserved=unserved(settings))

        store = open_store(settings.database_url, clock=self._clock, keys=sealing)
        await store.start()
        begun.push_async_callback(store.close)
        await _sealed_from_the_start(store, sealing)
        if not settings.on_sqlite:
            timekeeper = Timekeeper(self._clock, lambda: database_time(settings.database_url))
            await self._begin(timekeeper)
        rules = RulesInForce(holder, store=store, clock=self._clock, metrics=self._metrics)
        await self._begin(rules)
        live = LiveRules(rules, store=store, clock=self._clock)
        await live.load()
        self.deps = deps = Deps(
            store=store,
            clock=self._clock,
            ids=TimeSortedIds(self._clock),
            signer=signer,
            rules=live,
            wakeups=await self._wakeups(),
            limits=Limits(
                pending_per_agent=settings.pending_per_agent,
                public_url=public_url,
                callback_hosts=settings.callback_hosts,
            ),
            meter=ReviewMeter(self._metrics, live),
        )

        self.desk = Desk(store=store, deps=deps)
        sequencer = Sequencer(
            store=store, clock=self._clock, wakeups=deps.wakeups, notary=notary, metrics=self._metrics
        )
        await self._begin(sequencer)
        months = MonthKeeper(store=store, clock=self._clock)
        await self._begin(months)
        publishing = publisher(
            settings, deps, clock=self._clock, metrics=self._metrics, secrets=secrets, tls=self._tls
        )
        if publishing is not None:
            await self._begin(publishing)
        slack = await self._slack(rules.current.directory)
        try:
            bot = build_bot(deps, slack)
        except ValueError as error:
            raise StartError(str(error)) from None
        ways = ways_to_call(settings, deps, link=bot.card_link, tls=self._tls)
        outbox = OutboxWorker(
            store=store,
            clock=self._clock,
            wakeups=deps.wakeups,
            metrics=self._metrics,
            channels={
                "slack": Terms(channel=bot.channel, give_up_attempts=SLACK_ATTEMPTS),
                "webhook": Terms(
                    channel=WebhookChannel(
                        store=store,
                        clock=self._clock,
                        secrets=secrets,
                        rules=CallbackRules(
                            hosts=settings.callback_hosts, networks=settings.callback_networks
                        ),
                        public_url=public_url,
                        tls=self._tls,
                    ),
                    give_up_sec=GIVE_UP_SEC,
                ),
                **ways.terms,
            },
        )
        ticker = Ticker(deps, self._metrics)
        await self._begin(bot)
        keeper = DirectoryKeeper(
            live,
            store=store,
            clock=self._clock,
            metrics=self._metrics,
            by_kind={USERGROUP: bot.user_groups, SCHEDULE: self._schedules()},
        )
        await self._begin(keeper)
        await self._begin(outbox, grace_sec=STOP_SEC)
        await self._begin(ticker)
        figures = FigureKeeper(deps, self._metrics)
        await self._begin(figures)
        ready = Readiness(
            store=store,
            clock=self._clock,
            metrics=self._metrics,
            rules=live,
            lists=keeper,
            parts={
                "policy": rules,
                "slack": bot,
                **ways.open,
                "record": sequencer,
                "months": months,
                **({} if publishing is None else {"checkpoints": publishing}),
            },
        )
        await self._serve_http(deps, ready, signer, bot, listening)
        log.info("gate.started", url=self.url, slack=settings.slack_mode, version=version("signoff"))

    async def _begin(self, part: _Part, **ending: float) -> None:
        """Start a part that is stopped again with the gate, before those that it was started after."""
        await part.start()
        self._running.push_async_callback(part.stop, **ending)

    async def _serve_http(
        self, deps: Deps, ready: Readiness, signer: GrantSigner, bot: Bot, listening: socket.socket
    ) -> None:
        app = build_app(
            deps,
            HttpSettings(
                jwks=signer.jwks,
                seal=load_event_seal(self.settings.keys),
                readiness=ready.checks,
                registry=self._metrics.registry,
                version=version("signoff"),
                max_body_bytes=self.settings.max_body_bytes,
            ),
            extra=bot.http_routes(),
        )
        serving = runner(app, shutdown_timeout=STOP_SEC)
        await serving.setup()
        self._running.push_async_callback(serving.cleanup)
        await web.SockSite(serving, listening, backlog=1024).start()

    async def _wakeups(self) -> LocalWakeups:
        """What wakes waits; where replicas share the database they tell each other."""
        if self.settings.on_sqlite:
            return LocalWakeups()
        shared = SharedWakeups(PostgresRadio(self.settings.database_url), told=self._metrics.replica_news.set)
        await self._begin(shared)
        return shared

    async def _slack(self, directory: Directory) -> SlackSettings:
        """The workspace of the environment's tokens, or without any a sandbox workspace started here."""
        settings = self.settings
        if settings.slack_mode != "sandbox":
            return slack_of(settings)
        from gate.wiring.sandbox import start_sandbox  # a gate with a workspace of its own starts without

        sandbox = self.sandbox = await start_sandbox(settings, directory)
        self._running.push_async_callback(sandbox.stop)
        log.warning(
            "slack.sandbox",
            meaning="No Slack tokens are set: cards go to the sandbox workspace, where anybody can be anybody",
            page=sandbox.url,
        )
        app = sandbox.workspace.app
        return SlackSettings(bot_token=app.bot_token, app_token=app.app_token, api_url=sandbox.api_url)

    def _schedules(self) -> PagerDutySchedules:
        return PagerDutySchedules(
            token=revealed(self.settings.pagerduty_api_token),
            api_url=self.settings.pagerduty_api_url,
            clock=self._clock,
        )


def build(settings: Settings) -> Gate:
    """A gate for these settings; nothing is opened before `start`."""
    return Gate(settings)


async def serve(
    gate: Gate,
    *,
    started: Callable[[], None] | None = None,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Run a gate until SIGTERM or SIGINT, then stop it cleanly.

    `started` is called once it serves; `beside` runs while it does, and is cancelled before it stops.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await gate.start()
    company: asyncio.Task[None] | None = None
    try:
        if started is not None:
            started()
        if beside is not None:
            company = asyncio.create_task(beside(), name="beside the gate")
        await stopped.wait()
    finally:
        if company is not None:
            company.cancel()
            await asyncio.gather(company, return_exceptions=True)
        await gate.stop()


async def _sealed_from_the_start(store: SqlStore, keys: SealingKeyring) -> None:
    """Where nothing was stored before there were sealing keys, nothing plain is ever read."""
    if keys.plain:
        async with store.reading() as tx:
            empty = await tx.seals.empty()
        if empty:
            keys.refuse_plain()
