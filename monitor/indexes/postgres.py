"""A read-only transaction on an index's PostgreSQL: bounded in time, and its errors carry no secret."""

from __future__ import annotations

import math
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from monitor.deadlines import Deadlines
from monitor.disclosure import check_host, hide
from monitor.errors import EdgeError, EdgeTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import SecretStr
    from sqlalchemy.engine import URL, Connection, Engine

CUT_AFTER = 2.0
"""Seconds that the server's own time-out has to come first: its message says more than a cut connection."""
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

_MENDS = {
    "57014": "raise timeout, lower ef_search or probes, or give the table an index for this metric",
    "42501": "grant SELECT on the table and USAGE on its schema to this user",
    "42704": "CREATE EXTENSION vector in this database",
    "42883": "CREATE EXTENSION vector in this database, in a schema of the search_path",
    "22000": "use the embedder that filled the index",
    "28P01": "correct the password",
    "3D000": "correct the database's name",
}


def parse_url(secret: SecretStr) -> URL:
    """Return the URL with the driver that the extra ships; raises `ValueError` that does not repeat it."""
    try:
        url = sa.make_url(secret.get_secret_value())
    except ArgumentError:
        raise ValueError(
            "url is no database URL; it looks like postgresql://user:password@host/name"
        ) from None
    if url.drivername not in SCHEMES:
        raise ValueError(
            f"url names {url.get_backend_name()!r}; pgvector lives in PostgreSQL: postgresql://…"
        )
    check_host(url)
    return url.set(drivername="postgresql+psycopg")


@contextmanager
def open_transaction(secret: SecretStr, timeout: float, settings: Mapping[str, str]) -> Iterator[Connection]:
    """Yield a connection in a read-only transaction with ``settings``; what goes wrong inside is an `EdgeError`."""
    url = parse_url(secret)
    guard: Deadlines | None = None
    driver: Any = None
    try:
        with _connect(url, timeout) as connection:
            guard, driver = connection.info["deadlines"], connection.connection.driver_connection
            connection.execution_options(postgresql_readonly=True)
            bounds = {"statement_timeout": str(math.ceil(timeout * 1000))}
            # SET LOCAL: behind a pooler the connection is another's after this transaction.
            local = [
                sa.func.set_config(name, value, sa.true()) for name, value in {**bounds, **settings}.items()
            ]
            connection.execute(sa.select(*local))
            yield connection
    except ModuleNotFoundError as error:
        raise EdgeError(
            f'{error.name} is not installed: pip install "retrieval-drift-monitor[pgvector]"'
        ) from None
    except SQLAlchemyError as error:
        # The chain is cut: a driver may quote the whole connection string.
        raise _translate(error, url, timeout, cut=guard is not None and guard.has_cut(driver)) from None


def _connect(url: URL, timeout: float) -> Connection:
    try:
        return _engine(url, timeout).connect()
    except (SQLAlchemyError, ModuleNotFoundError):
        raise
    except Exception as error:  # noqa: BLE001 a driver may raise anything, and quote all that it was given
        said = hide(f"{type(error).__name__}: {error}", url)
        raise EdgeError(f"{_place(url)}: cannot connect: {said}; check the url.") from None


def _place(url: URL) -> str:
    return f"PostgreSQL {url.host or 'on its local socket'}, database {url.database or 'of the user'}"


@lru_cache(maxsize=64)
def _engine(url: URL, timeout: float) -> Engine:
    options = {
        "connect_timeout": max(2, math.ceil(timeout)),
        # A server that vanishes mid-answer would otherwise hold the worker for the kernel's many minutes.
        "tcp_user_timeout": math.ceil(timeout * 1000),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "application_name": "driftmon",
    }
    options = {name: value for name, value in options.items() if name not in url.query}
    # Prepared statements belong to a server connection, and a pooler hands those around.
    arguments: dict[str, Any] = {**options, "prepare_threshold": None}
    # An index is asked every few minutes: a connection kept open in between would only burden production.
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments, hide_parameters=True)
    Deadlines(timeout + CUT_AFTER).guard(engine)
    return engine


def _translate(error: SQLAlchemyError, url: URL, timeout: float, *, cut: bool) -> EdgeError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlstate", None)
    # Hidden before it is cut: a secret may go over a line's end.
    reason = hide(str(cause).strip(), url).partition("\n")[0] or type(cause).__name__
    place = _place(url)
    mend = _MENDS.get(code or "", "check that the server runs, and the url's host, port and user")
    if cut or code == "57014" or "timeout" in reason.lower() or "timed out" in reason.lower():
        return EdgeTimeoutError(f"{place} did not answer within {timeout:g} s ({reason}); {mend}.")
    return EdgeError(f"{place}: {reason}; {mend}.")
