"""A read-only connection to a log's database: bounded in time, and its errors carry no secret."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import URL, Connection, Engine, Row
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from monitor.deadlines import Deadlines, restart
from monitor.disclosure import check_host, hide
from monitor.errors import EdgeError, EdgeTimeoutError

_QUERY_CANCELED = "57014"
_POSTGRES = ("postgres", "postgresql")
CUT_AFTER = 2.0
"""Seconds that a server's own time-out has to come first: its message says more than a cut connection."""
_INSTRUCTIONS_PER_LOOK = 10_000  # of SQLite's virtual machine, some tens of microseconds


@dataclass(slots=True)
class Deadline:
    """The moment by which a database must have answered; every batch starts it anew."""

    seconds: float
    at: float = math.inf

    def restart(self) -> None:
        """Give the next answer its whole time."""
        self.at = time.monotonic() + self.seconds

    def passed(self) -> bool:
        """Tell whether time is up."""
        return time.monotonic() > self.at


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection in a read-only transaction."""

    connection: Connection
    deadline: Deadline

    def stream(self, statement: sa.Select[Any], batch_size: int) -> Generator[Sequence[Row[Any]]]:
        """Yield the statement's rows in batches; the database keeps the rest. Close it to stop early."""
        self.deadline.restart()
        options = {"yield_per": batch_size}  # a cursor on the server, where there is such a thing
        with closing(self.connection.execute(statement, execution_options=options)) as result:
            while batch := result.fetchmany(batch_size):
                yield batch
                self.deadline.restart()
                restart(self.connection)


def parse_url(url: str) -> URL:
    """Return the URL with the driver that we ship; raises sqlalchemy's ArgumentError, or ValueError with the mend."""
    parsed = sa.make_url(url)
    check_host(parsed)
    # Whoever writes postgres:// means the driver of our extra, whatever SQLAlchemy's default is.
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername in _POSTGRES else parsed


@contextmanager
def open_session(secret: SecretStr, timeout: float) -> Iterator[Session]:
    """Connect, and turn what goes wrong inside into `EdgeError` without secrets."""
    url = parse_url(secret.get_secret_value())
    place = f"{url.get_backend_name()} database {url.host + '/' if url.host else ''}{url.database or ''}"
    _check_file(url)
    deadline = Deadline(timeout)
    try:
        with _connect(url, timeout, place) as connection:
            _bound(connection, deadline)
            yield Session(connection, deadline)
    except NoSuchModuleError:
        raise EdgeError(f"source.url: no SQLAlchemy dialect {url.drivername!r} is installed") from None
    except ImportError as error:
        driver = (error.name or url.drivername).partition(".")[0]
        mend = 'pip install "retrieval-drift-monitor[postgres]"' if driver == "psycopg" else "install it"
        raise EdgeError(f"source.url: the driver {driver!r} is not installed; {mend}") from None
    except SQLAlchemyError as error:
        if _was_stopped(error, deadline):
            raise KeyboardInterrupt from None
        reason = _reason(error, url)
        # The chain is cut: a driver may quote the whole connection string.
        if _is_timeout(error) or deadline.passed():  # the latter where the connection had to be cut
            raise EdgeTimeoutError(
                f"{place}: no answer within {timeout:g} s ({reason}); index the time column, "
                "shorten the window or raise source.timeout"
            ) from None
        raise EdgeError(f"{place}: {reason}") from None


def _connect(url: URL, timeout: float, place: str) -> Connection:
    try:
        return _engine(url.render_as_string(hide_password=False), timeout).connect()
    except (SQLAlchemyError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 a driver may raise anything, and quote all that it was given
        said = hide(f"{type(error).__name__}: {error}", url)
        raise EdgeError(f"{place}: cannot connect: {said}; check source.url") from None


@lru_cache(maxsize=64)
def _engine(url: str, timeout: float) -> Engine:
    parsed = sa.make_url(url)
    options: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        options = {"timeout": timeout, "check_same_thread": False}
    elif parsed.get_driver_name() == "psycopg":
        # A server that vanishes mid-answer would otherwise hold the worker for the kernel's many minutes.
        limits = {
            "connect_timeout": max(2, math.ceil(timeout)),
            "tcp_user_timeout": math.ceil(timeout * 1000),
        }
        options = {name: value for name, value in limits.items() if name not in parsed.query}
    # A window is read every few minutes: a connection kept open in between would only burden production.
    engine = sa.create_engine(
        parsed,
        poolclass=sa.NullPool,
        connect_args=options,
        hide_parameters=True,
        json_deserializer=_load_leniently,
    )
    if parsed.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    elif parsed.get_driver_name() == "psycopg":
        Deadlines(timeout + CUT_AFTER).guard(engine)
    return engine


def _load_leniently(raw: str | bytes) -> Any:
    """Return a driver's JSON value; one that Python refuses (5,000 digits, say) stays text and costs its row only."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _check_file(url: URL) -> None:
    # SQLite would make an empty database where there is none.
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name.startswith((":memory:", "file:")):
        return
    if not Path(name).is_file():
        raise EdgeError(f"sqlite database {name}: there is no such file; correct source.url")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON").close()
    # One text that is not UTF-8 must cost one row, not the window: it fails later as a bad_text.
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")


def _bound(connection: Connection, deadline: Deadline) -> None:
    """Make the transaction read-only and its statements end in time, where the engine can."""
    deadline.restart()
    if connection.dialect.name == "postgresql":
        connection.execution_options(postgresql_readonly=True)
        milliseconds = str(math.ceil(deadline.seconds * 1000))
        connection.execute(sa.select(sa.func.set_config("statement_timeout", milliseconds, sa.true())))
    elif connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(deadline.passed, _INSTRUCTIONS_PER_LOOK)


def _was_stopped(error: SQLAlchemyError, deadline: Deadline) -> bool:
    # Ctrl-C inside SQLite's progress handler is swallowed by the driver, which says "interrupted" as for a timeout.
    return isinstance(error, DBAPIError) and str(error.orig) == "interrupted" and not deadline.passed()


def _is_timeout(error: SQLAlchemyError) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    if getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED:
        return True
    text = str(error.orig)
    return text in ("interrupted", "database is locked") or "timeout expired" in text or "timed out" in text


def _reason(error: SQLAlchemyError, url: URL) -> str:
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    # Hidden before it is cut: a secret may go over a line's end.
    return hide(text, url).partition("\n")[0] or type(error).__name__
