"""One gate process: which parts it is made of, and in which order they start and stop; it decides nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from bot.app import Bot, SlackSettings, build_bot
from gate.addresses import Address
from gate.clock import SteadyClock
from gate.config import Settings
from gate.delivery import email, pagerduty
from gate.delivery.nowhere import Nowhere
from gate.delivery.schedules import PagerDutySchedules
from gate.delivery.webhook import GIVE_UP_SEC, CallbackRules, WebhookChannel
from gate.domain.people import Directory
from gate.http.app import build_app, runner
from gate.http.settings import Check, HttpSettings
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
from gate.usecases.filling import SCHEDULE, USERGROUP, sources
from gate.usecases.ports import Deps, Limits, StoreUnavailable
from gate.wiring.desk import Desk
from gate.wiring.listening import StartError, listen
from gate.wiring.publishing import publisher
from gate.wiring.slack import revealed, slack_of
from gate.workers.directory import DirectoryKeeper, LiveRules
from gate.workers.figures import FigureKeeper, ReviewMeter
from gate.workers.months import MonthKeeper
from gate.workers.outbox import OutboxWorker, Terms
from gate.workers.publisher import Publisher
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
        self._rules: RulesInForce | None = None
        self._email: email.EmailChannel | None = None
        self._pagerduty: pagerduty.PagerDutyChannel | None = None
        self._bot: Bot | None = None
        self._keeper: DirectoryKeeper | None = None
        self._sequencer: Sequencer | None = None
        self._publisher: Publisher | None = None
        self._months: MonthKeeper | None = None
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
            await timekeeper.start()
            begun.push_async_callback(timekeeper.stop)
        rules = RulesInForce(holder, store=store, clock=self._clock, metrics=self._metrics)
        await rules.start()
        begun.push_async_callback(rules.stop)
        self._rules = rules
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
        sequencer = self._sequencer = Sequencer(
            store=store, clock=self._clock, wakeups=deps.wakeups, notary=notary, metrics=self._metrics
        )
        await sequencer.start()
        begun.push_async_callback(sequencer.stop)
        months = self._months = MonthKeeper(store=store, clock=self._clock)
        await months.start()
        begun.push_async_callback(months.stop)
        self._publisher = publisher(
            settings, deps, clock=self._clock, metrics=self._metrics, secrets=secrets, tls=self._tls
        )
        if self._publisher is not None:
            await self._publisher.start()
            begun.push_async_callback(self._publisher.stop)
        slack = await self._slack(rules.current.directory)
        try:
            bot = self._bot = build_bot(deps, slack)
        except ValueError as error:
            raise StartError(str(error)) from None
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
                **self._outside(deps, bot),
            },
        )
        ticker = Ticker(deps, self._metrics)
        await bot.start()
        begun.push_async_callback(bot.stop)
        keeper = self._keeper = DirectoryKeeper(
            live,
            store=store,
            clock=self._clock,
            metrics=self._metrics,
            by_kind={USERGROUP: bot.user_groups, SCHEDULE: self._schedules()},
        )
        await keeper.start()
        begun.push_async_callback(keeper.stop)
        await outbox.start()
        begun.push_async_callback(outbox.stop, grace_sec=STOP_SEC)
        await ticker.start()
        begun.push_async_callback(ticker.stop)
        figures = FigureKeeper(deps, self._metrics)
        await figures.start()
        begun.push_async_callback(figures.stop)
        await self._serve_http(deps, signer, bot, listening)
        log.info("gate.started", url=self.url, slack=settings.slack_mode, version=version("signoff"))

    async def _serve_http(self, deps: Deps, signer: GrantSigner, bot: Bot, listening: socket.socket) -> None:
        app = build_app(
            deps,
            HttpSettings(
                jwks=signer.jwks,
                seal=load_event_seal(self.settings.keys),
                readiness=self.readiness,
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
        await shared.start()
        self._running.push_async_callback(shared.stop)
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

    def _outside(self, deps: Deps, bot: Bot) -> dict[str, Terms]:
        """The ways by which ladders reach people outside Slack; what is not set up answers that it is not."""
        server, key = self.settings.mail_server, revealed(self.settings.pagerduty_routing_key)
        ways = {
            "email": Terms(channel=Nowhere("SMTP_URL")),
            "pagerduty": Terms(channel=Nowhere("PAGERDUTY_ROUTING_KEY")),
        }
        if server is not None:
            self._email = email.EmailChannel(deps=deps, server=server, link=bot.card_link, tls=self._tls)
            ways["email"] = Terms(channel=self._email, at_once=4, give_up_attempts=email.GIVE_UP_ATTEMPTS)
        if key is not None:
            self._pagerduty = pagerduty.PagerDutyChannel(
                deps=deps,
                routing_key=key,
                events_url=self.settings.pagerduty_events_url,
                link=bot.card_link,
                tls=self._tls,
            )
            ways["pagerduty"] = Terms(
                channel=self._pagerduty, at_once=4, give_up_attempts=pagerduty.GIVE_UP_ATTEMPTS
            )
        return ways

    async def readiness(self) -> tuple[Check, ...]:
        """What a decision depends on, and how each stands now."""
        return (
            await self._store_check(),
            _check("policy", None if self._rules is None else self._rules.problem),
            _check("slack", "not started" if self._bot is None else self._bot.problem),
            *(_check("email", way.problem) for way in (self._email,) if way is not None),
            *(_check("pagerduty", way.problem) for way in (self._pagerduty,) if way is not None),
            _check("record", None if self._sequencer is None else self._sequencer.problem),
            _check("months", None if self._months is None else self._months.problem),
            *(_check("checkpoints", each.problem) for each in (self._publisher,) if each is not None),
            self._clock_check(),
            *self._directory_check(),
        )

    def _directory_check(self) -> tuple[Check, ...]:
        """Where people.yaml names lists that other systems keep: whether they could be read."""
        if self.deps is None or self._keeper is None or not sources(self.deps.rules.current.directory):
            return ()
        return (_check("directory", self._keeper.problem),)

    def _schedules(self) -> PagerDutySchedules:
        return PagerDutySchedules(
            token=revealed(self.settings.pagerduty_api_token),
            api_url=self.settings.pagerduty_api_url,
            clock=self._clock,
        )

    async def _store_check(self) -> Check:
        if self.deps is None:
            return Check(name="store", state="down", detail="not started")
        try:
            await self.deps.store.check()
        except StoreUnavailable as error:
            return Check(name="store", state="down", detail=str(error))
        return Check(name="store", state="ok")

    def _clock_check(self) -> Check:
        self._clock.now()
        stepped = self._clock.stepped_sec
        self._metrics.clock_step.set(stepped)
        if not stepped:
            return Check(name="clock", state="ok")
        return Check(
            name="clock",
            state="degraded",
            detail=f"the machine's clock stepped by {stepped:.0f} s; restart the gate to accept it",
        )


def unserved(settings: Settings) -> frozenset[str]:
    """The ways of calling people that these settings do not open; no ladder may use them."""
    closed = {
        "email": settings.smtp_url is None,
        "pagerduty": settings.pagerduty_routing_key is None,
    }
    return frozenset(way for way, missing in closed.items() if missing)


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


def _check(name: str, problem: str | None) -> Check:
    if problem is None:
        return Check(name=name, state="ok")
    return Check(name=name, state="degraded", detail=problem)
