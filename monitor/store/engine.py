"""The engine and its two kinds of transaction; every failure leaves as a StoreError without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError, StatementError
from sqlalchemy.pool import QueuePool

from monitor.deadlines import Deadlines
from monitor.disclosure import check_host, hide
from monitor.errors import StoreError
from monitor.store.models import Base

BUSY_MS = 15_000
"""How long a SQLite writer waits for another one."""
_BEGIN = "driftmon_begin"
_MENDS = (
    (("locked",), "another process is writing to it; try again, or use PostgreSQL"),
    (("no such table", "no such column", "undefinedtable", "undefinedcolumn"), "run `driftmon db upgrade`"),
    (("disk is full", "no space left", "diskfull"), "free space on its disk"),
    (("unable to open",), "check that its folder exists and may be written to"),
    (("readonly", "read-only"), "let this user write to it"),
    (("authentication failed",), "check user and password in `database`"),
    (("connection", "terminating", "shutting down"), "check that the server is up and `database` is right"),
)


def open_engine(url: str) -> Engine:
    """Return an engine for SQLite or PostgreSQL; nothing is connected yet.

    Raises
    ------
    StoreError
        When the URL cannot be read, names another engine, or the driver is missing.
    """
    parsed = _parse(url)
    try:
        return _open_sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _open_postgresql(parsed)
    except (SQLAlchemyError, ValueError, TypeError) as error:
        said = hide(str(error), parsed)
        raise StoreError(f"{describe(parsed)}: {said}; check the options after `?` in `database`") from None


def describe(url: URL) -> str:
    """Return what may be said of a database: engine, place and name, no user, no password, no options."""
    return URL.create(url.get_backend_name(), None, None, url.host, url.port, url.database).render_as_string()


def database_file(url: URL) -> Path | None:
    """Return the file of a SQLite database; None for one in memory and for a server."""
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name == ":memory:":
        return None
    return Path(name)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one moment of the database and changes nothing."""
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        # Part of BEGIN, so no state is left in a session that a pooler gives to someone else.
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with _translated(engine), _connect(engine) as connection:
        yield connection.execution_options(**options)


@contextmanager
def writing(engine: Engine, *, foreign_keys: bool = True) -> Iterator[Connection]:
    """Open a transaction that keeps everything or, when left by an error, nothing.

    SQLite takes the write lock at once: one that is asked for in mid-transaction is refused instead of waited
    for. ``foreign_keys=False`` lets a SQLite migration rebuild a table without emptying those that refer to
    it.
    """
    with _translated(engine), _connect(engine) as connection:
        writer = connection.execution_options(**{_BEGIN: "IMMEDIATE"})
        with nullcontext() if foreign_keys else _without_references(writer), writer.begin():
            yield writer


@contextmanager
def _without_references(connection: Connection) -> Iterator[None]:
    raw: Any = connection.connection.driver_connection  # inside a transaction this pragma is ignored
    raw.execute("PRAGMA foreign_keys=OFF").close()
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON").close()


def insert_for(dialect: str, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that knows ON CONFLICT, which both engines spell alike and SQLAlchemy keeps apart."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_row(connection: Connection, table: type[Base], values: Mapping[str, Any]) -> int:
    """Insert one row and return the key that the database gave it, also where there is no RETURNING."""
    key = connection.execute(insert(table).values(**values)).inserted_primary_key
    if key is None:
        raise StoreError(
            f"{describe(connection.engine.url)}: gave no key for a new row of {table.__tablename__}"
        )
    return int(key[0])


def _parse(url: str) -> URL:
    try:
        parsed = make_url(re.sub("^postgres:", "postgresql:", url))
        check_host(parsed)
    except (ArgumentError, ValueError):
        # The cause is dropped: its text may quote what stands where a password belongs.
        raise StoreError(
            "database: the URL cannot be read; write sqlite:///driftmon.db or"
            " postgresql+psycopg://user:password@host/name, special characters percent-encoded"
        ) from None
    name = parsed.drivername
    if name == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if name not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise StoreError(f"database: {name!r} is not supported; use sqlite or postgresql+psycopg")
    return parsed


def _open_sqlite(url: URL) -> Engine:
    # A database in memory lives in its one connection; a pool of one makes threads take turns with it.
    pool = {} if database_file(url) else {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
        **pool,
    )

    file = database_file(url)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so, see `begin`
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            # A power cut may lose the last commits, never the file: their windows are then run again.
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()
        record.info["file"] = _identity(file)

    @event.listens_for(engine, "checkout")
    def follow(_: Any, record: Any, __: Any) -> None:
        # A file that was moved away, removed or restored is another one: an open connection would write on into
        # the old one, which nobody sees any more.
        if record.info["file"] != _identity(file):
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(_BEGIN, 'DEFERRED')}")

    return engine


def _identity(file: Path | None) -> tuple[int, int] | None:
    try:
        status = None if file is None else file.stat()
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def _open_postgresql(url: URL) -> Engine:
    defaults: dict[str, Any] = {
        "application_name": "driftmon",
        "connect_timeout": 10,
        # A server that vanished is noticed within a minute, not after two hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        # Statements prepared on the server do not survive a pooler in transaction mode.
        "prepare_threshold": None,
    }
    chosen = {key: value for key, value in defaults.items() if key not in url.query}
    try:
        engine = create_engine(
            url, hide_parameters=True, pool_timeout=30, pool_recycle=1800, connect_args=chosen
        )
    except ImportError as error:
        raise StoreError(
            'PostgreSQL needs psycopg: pip install "retrieval-drift-monitor[postgres]"'
        ) from error
    # Many rows go in one statement: without prepared statements each one would be planned anew.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    Deadlines().guard(engine)
    return engine


def _connect(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except (SQLAlchemyError, StoreError):
        raise
    except Exception as error:  # noqa: BLE001 a driver may raise anything, and quote all that it was given
        said = hide(f"{type(error).__name__}: {error}", engine.url)
        raise StoreError(f"{describe(engine.url)}: cannot connect: {said}; check `database`") from None


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except StatementError as error:
        if not isinstance(error, DBAPIError) and isinstance(error.orig, TypeError | ValueError):
            # A value that no column takes is the caller's mistake, not the database's.
            raise error.orig from None
        raise _store_error(engine.url, error) from _harmless(engine.url, error)
    except SQLAlchemyError as error:
        raise _store_error(engine.url, error) from _harmless(engine.url, error)


def _store_error(url: URL, error: SQLAlchemyError) -> StoreError:
    cause = error.orig if isinstance(error, StatementError) and error.orig else error
    said = " ".join(hide(str(cause), url).split())
    known = f"{type(cause).__name__} {said}".lower()
    mend = next((mend for words, mend in _MENDS if any(word in known for word in words)), None)
    return StoreError(f"{describe(url)}: {said[:500]}" + (f"; {mend}" if mend else ""))


def _harmless(url: URL, error: SQLAlchemyError) -> SQLAlchemyError | None:
    """Return the error as a cause to show in tracebacks, unless its text holds a secret."""
    return error if hide(str(error), url) == str(error) else None
