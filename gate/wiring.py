"""The composition root: which parts a gate is made of, and in which order they start and stop; it decides nothing."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from typing import Any

import psycopg
import structlog
from aiohttp import web
from pydantic import SecretStr

from bot.app import Bot, SlackSettings, build_bot
from bot.checkup import Examination, examine
from bot.sandbox import Sandbox, SandboxChannel, SandboxUser, Workspace, default_workspace
from gate.clock import SteadyClock
from gate.config import Address, Settings
from gate.delivery import email, pagerduty
from gate.delivery.nowhere import Nowhere
from gate.delivery.schedules import PagerDutySchedules
from gate.delivery.webhook import GIVE_UP_SEC, CallbackRules, WebhookChannel
from gate.domain.people import Directory
from gate.http.app import build_app, runner
from gate.http.settings import Check, HttpSettings
from gate.ids import TimeSortedIds
from gate.keyring.checkpoints import load_checkpoint_signer
from gate.keyring.signer import GrantSigner, load_signer
from gate.keyring.webhooks import load_webhook_secret
from gate.metrics import Metrics
from gate.store import SqlStore, open_store
from gate.usecases.filling import SCHEDULE, USERGROUP, sources
from gate.usecases.ports import DeliveryChannel, Deps, Limits, Rules, RulesSource, StoreUnavailable
from gate.workers.directory import DirectoryKeeper, LiveRules
from gate.workers.figures import FigureKeeper, ReviewMeter
from gate.workers.outbox import OutboxWorker, Terms
from gate.workers.reload import PolicyFiles, PolicyHolder
from gate.workers.rules import RulesInForce
from gate.workers.sequencer import Sequencer
from gate.workers.ticker import Ticker
from gate.workers.timekeeper import Timekeeper
from gate.workers.wakeups import FALLBACK_SEC, LocalWakeups

log = structlog.get_logger(__name__)

SLACK_ATTEMPTS = 20
"""Attempts that count before a Slack message is a dead letter: more than an hour with the back-off."""
STOP_SEC = 1.5
"""How long requests, and then deliveries, under way may take when the gate stops; with the bot's own grace less than
five seconds in all. A delivery cut short is looked for before it is made again."""


class StartError(Exception):
    """The gate cannot start; the message is a sentence for whoever started it."""


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
        self._rules: RulesInForce | None = None
        self._email: email.EmailChannel | None = None
        self._pagerduty: pagerduty.PagerDutyChannel | None = None
        self._bot: Bot | None = None
        self._keeper: DirectoryKeeper | None = None
        self._sequencer: Sequencer | None = None
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
        secret = load_webhook_secret(settings.keys)
        listening = begun.enter_context(_listen(settings.bind, "GATE_BIND"))
        self.url = Address(listening.getsockname()[:2]).url
        public_url = settings.public_url or self.url
        # The files are read before the database is opened: a broken policy set should not cost a migration.
        files = PolicyFiles(settings.policies, settings.people)
        holder = await asyncio.to_thread(PolicyHolder, files, unserved=unserved(settings))

        store = open_store(settings.database_url, clock=self._clock)
        await store.start()
        begun.push_async_callback(store.close)
        if not settings.on_sqlite:
            timekeeper = Timekeeper(self._clock, lambda: _database_time(settings.database_url))
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
            wakeups=LocalWakeups(fallback_sec=None if settings.on_sqlite else FALLBACK_SEC),
            limits=Limits(
                pending_per_agent=settings.pending_per_agent,
                public_url=public_url,
                callback_hosts=settings.callback_hosts,
            ),
            meter=ReviewMeter(self._metrics),
        )

        self.desk = Desk(store=store, deps=deps)
        sequencer = self._sequencer = Sequencer(
            store=store, clock=self._clock, wakeups=deps.wakeups, notary=notary, metrics=self._metrics
        )
        await sequencer.start()
        begun.push_async_callback(sequencer.stop)
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
                        secret=secret,
                        rules=CallbackRules(
                            hosts=settings.callback_hosts, networks=settings.callback_networks
                        ),
                        public_url=public_url,
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

    async def _slack(self, directory: Directory) -> SlackSettings:
        """The workspace of the environment's tokens, or without any a sandbox workspace started here."""
        settings = self.settings
        if settings.slack_mode != "sandbox":
            return _slack_of(settings)
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
        server, key = self.settings.mail_server, _revealed(self.settings.pagerduty_routing_key)
        ways = {
            "email": Terms(channel=Nowhere("SMTP_URL")),
            "pagerduty": Terms(channel=Nowhere("PAGERDUTY_ROUTING_KEY")),
        }
        if server is not None:
            self._email = email.EmailChannel(deps=deps, server=server, link=bot.card_link)
            ways["email"] = Terms(channel=self._email, at_once=4, give_up_attempts=email.GIVE_UP_ATTEMPTS)
        if key is not None:
            self._pagerduty = pagerduty.PagerDutyChannel(
                deps=deps,
                routing_key=key,
                events_url=self.settings.pagerduty_events_url,
                link=bot.card_link,
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
            token=_revealed(self.settings.pagerduty_api_token),
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


async def start_sandbox(settings: Settings, directory: Directory) -> Sandbox:
    """A serving stand-in workspace with these people, its messages kept between starts. Raises StartError."""
    settings.sandbox_state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sandbox = Sandbox(sandbox_workspace(directory), state_path=settings.sandbox_state)
    try:
        await sandbox.start(*settings.sandbox_bind)
    except OSError as error:
        await sandbox.stop()
        raise StartError(_taken("GATE_SANDBOX_BIND", settings.sandbox_bind, error)) from None
    return sandbox


class _NoRules:
    """The rules of a command-line verb that needs none, so that a broken policy file is in nobody's way."""

    @property
    def current(self) -> Rules:
        raise RuntimeError("this verb uses no policy")


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What a command-line verb works with, beside a gate that may be running."""

    store: SqlStore
    deps: Deps


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """The store and what commands need, without serving anything. Raises StoreError or StoreUnavailable."""
    clock = SteadyClock()
    rules: RulesSource = _NoRules()
    async with open_store(settings.database_url, clock=clock, exclusive=False) as store:
        if not settings.on_sqlite:
            clock.anchor(await _database_time(settings.database_url))
        yield Desk(
            store=store,
            deps=Deps(
                store=store,
                clock=clock,
                ids=TimeSortedIds(clock),
                signer=load_signer(settings.keys),
                rules=rules,
                wakeups=LocalWakeups(),
            ),
        )


async def examine_slack(desk: Desk, settings: Settings, rules: Rules) -> Examination:
    """What the workspace of these settings looks like; without tokens, the sandbox workspace of a running gate."""
    async with desk.store.reading() as tx:
        pins = {name: pin for name in rules.directory.people if (pin := await tx.pins.by_person(name))}
    return await examine(_slack_of(settings), rules, pins)


@asynccontextmanager
async def posting(
    desk: Desk, settings: Settings, rules: Rules
) -> AsyncIterator[tuple[Deps, DeliveryChannel]]:
    """Use-cases under these rules, and the way to Slack, in a process that serves nothing."""
    deps = replace(desk.deps, rules=_TheseRules(rules))
    bot = build_bot(deps, _slack_of(settings))
    async with bot.posting() as channel:
        yield deps, channel


@dataclass(frozen=True, slots=True)
class _TheseRules:
    """Rules read once, for a verb that ends before they could change."""

    current: Rules


def _slack_of(settings: Settings) -> SlackSettings:
    """The workspace of the tokens; without any, the sandbox workspace where a running gate serves one."""
    if settings.slack_mode == "sandbox":
        app = default_workspace().app
        return SlackSettings(
            bot_token=app.bot_token, app_token=app.app_token, api_url=f"{settings.sandbox_bind.url}/api/"
        )
    return SlackSettings(
        bot_token=_revealed(settings.slack_bot_token) or "",
        app_token=_revealed(settings.slack_app_token),
        signing_secret=_revealed(settings.slack_signing_secret),
        api_url=settings.slack_api_url,
    )


def sandbox_workspace(directory: Directory) -> Workspace:
    """A workspace with the people of people.yaml, a guest, a person who left, and the channels the groups name."""
    base = default_workspace()
    people = [
        SandboxUser(
            person.slack or f"U0{''.join(c for c in person.id.upper() if c.isalnum())}",
            person.id,
            person.name,
            person.email,
            title=_title(directory, person.id),
            deleted=not person.active,
        )
        for person in directory.people.values()
    ]
    known = {user.id for user in people}
    extras = [u for u in base.users if u.id not in known and (u.is_restricted or u.is_stranger)]
    insiders = [user.id for user in people]
    everyone = (*insiders, *(user.id for user in extras), base.app.bot_user_id)
    names = _channels(directory)
    channels = [
        SandboxChannel(
            f"C0{''.join(c for c in name.upper() if c.isalnum())}"[:20],
            name,
            everyone
            if members is None
            else (*(u.id for u in people if u.name in members), base.app.bot_user_id),
            is_private=members is not None,
        )
        for name, members in names.items()
    ]
    return Workspace(users=(*people, *extras), channels=tuple(channels), app=base.app)


def _channels(directory: Directory) -> dict[str, frozenset[str] | None]:
    """Channel name -> person ids of a group's own channel, None where everybody is in it."""
    names: dict[str, frozenset[str] | None] = {
        name.removeprefix("#"): None
        for name in (directory.default_channel, directory.escalation_channel)
        if name is not None
    }
    for group in directory.groups.values():
        if group.channel is not None:
            name = group.channel.removeprefix("#")
            if name not in names:
                names[name] = frozenset(group.members)
            elif (members := names[name]) is not None:
                names[name] = members | frozenset(group.members)
    return names


def _title(directory: Directory, person_id: str) -> str:
    groups = sorted(group.name for group in directory.groups.values() if person_id in group.members)
    return ", ".join(groups) or "In no reviewer group"


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _check(name: str, problem: str | None) -> Check:
    if problem is None:
        return Check(name=name, state="ok")
    return Check(name=name, state="degraded", detail=problem)


def _taken(setting: str, address: Address, error: OSError) -> str:
    where = f"{address.host}:{address.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken by another process; stop it, or set {setting} to another address (port 0: any)."
    return f"{where} ({setting}) cannot be listened on: {error.strerror or error}."


def _listen(address: Address, setting: str) -> socket.socket:
    """A bound socket: the port is taken, or refused, before anything else is touched."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host, address.port))
    except OSError as error:
        listening.close()
        raise StartError(_taken(setting, address, error)) from None
    return listening


async def _database_time(url: str) -> datetime:
    """What PostgreSQL's clock says. Raises StoreUnavailable."""
    try:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=5
        ) as connection:
            row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    except psycopg.Error as error:
        raise StoreUnavailable(f"The database did not tell the time ({type(error).__name__}).") from None
    if row is None:
        raise StoreUnavailable("The database did not tell the time.")
    return row[0]
