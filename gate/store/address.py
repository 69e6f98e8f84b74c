"""Which database a URL means; it opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from gate.store.errors import DatabaseRefused

_ACCEPTED = "sqlite:///var/gate.db (a file) or postgresql://user@host/database"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A database this store can use. `path` is the SQLite file, None for PostgreSQL."""

    url: URL
    path: Path | None = None

    @property
    def postgres(self) -> bool:
        return self.path is None

    def __str__(self) -> str:
        """For messages: without a password."""
        return self.url.render_as_string(hide_password=True)


def parse_address(text: str) -> Address:
    """Raises `DatabaseRefused` for anything but a SQLite file or a PostgreSQL URL; a password is never repeated."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise DatabaseRefused(f"The database URL cannot be read; it has the form {_ACCEPTED}.") from None
    match url.drivername:
        case "sqlite" | "sqlite+aiosqlite":
            return _file(url)
        case "postgresql" | "postgres" | "postgresql+psycopg":
            if not url.database:
                raise DatabaseRefused(f"The database URL names no database; it has the form {_ACCEPTED}.")
            return Address(url=url.set(drivername="postgresql+psycopg"))
        case other:
            raise DatabaseRefused(f"The database URL begins with {other}://; it has the form {_ACCEPTED}.")


def _file(url: URL) -> Address:
    name = url.database
    if url.host or url.username:
        raise DatabaseRefused(
            "The SQLite URL has a host in it: a relative path takes three slashes (sqlite:///var/gate.db), "
            "an absolute one four (sqlite:////srv/gate.db)."
        )
    if not name or ":memory:" in name or name.startswith("file:"):
        raise DatabaseRefused(
            "An in-memory database would forget every decision; name a file, as in sqlite:///var/gate.db."
        )
    if url.query:
        raise DatabaseRefused("The SQLite URL takes no parameters after the file name.")
    path = Path(name).expanduser()
    return Address(url=url.set(drivername="sqlite+aiosqlite", database=str(path)), path=path)
