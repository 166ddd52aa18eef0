"""Column types that hold the same values on SQLite and PostgreSQL, and the database's own clock."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    Integer,
    Text,
    bindparam,
    literal,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key; on SQLite only the type INTEGER numbers its rows by itself."""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment, stored in UTC to the microsecond; naive ones are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return ``value`` in UTC, without its zone where the engine has no type for one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the store takes aware times only")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 SQLAlchemy's signature
        """Return what was stored as an aware moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CleanText(TypeDecorator[str]):
    """Text that every engine accepts: log entries are hostile, PostgreSQL refuses NUL and lone surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 SQLAlchemy's signature
        """Return ``value`` with what cannot be stored replaced."""
        return None if value is None else clean(value)


class CleanJSON(TypeDecorator[Any]):
    """Plain JSON values: no NaN, no infinity, no NUL; a missing value is SQL's NULL."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's own JSON type."""
        kind = JSONB if dialect.name == "postgresql" else JSON
        return dialect.type_descriptor(kind(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 SQLAlchemy's signature
        """Return ``value`` in types that JSON knows."""
        return _plain(value)


def clean(text: str, limit: int | None = None) -> str:
    """Return ``text`` without NUL and lone surrogates, cut to ``limit`` characters."""
    valid = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return valid if limit is None or len(valid) <= limit else valid[: limit - 1] + "…"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {clean(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(item) for item in value]
    return value


class clock(FunctionElement[datetime]):  # noqa: N801 it stands in SQL as a function does
    """The database's present moment plus seconds: replicas need no agreement of their own clocks.

    Not ``now()``, which on PostgreSQL is the start of the transaction: one that waited for a lock would write
    a lease that is already old.
    """

    type = UTCDateTime()
    inherit_cache = True

    def __init__(self, seconds: ColumnElement[float] | None = None) -> None:
        super().__init__(literal(0.0, Float) if seconds is None else seconds)


@compiles(clock, "postgresql")
def _clock_postgresql(element: clock, compiler: SQLCompiler, **options: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **options)}))"


@compiles(clock, "sqlite")
def _clock_sqlite(element: clock, compiler: SQLCompiler, **options: Any) -> str:
    # Milliseconds are what SQLite has; the zeros make it compare with stored microseconds as text.
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({seconds}) || ' seconds')"


SECONDS: ColumnElement[float] = bindparam("seconds", type_=Float)
"""The parameter of a statement that reaches so far from the database's present."""


class Names(TypeDecorator[Sequence[str]]):
    """Many names as one value, so that a statement stays the same however many there are."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return an array where there is one; SQLite reads JSON."""
        return dialect.type_descriptor(ARRAY(Text) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        """Return the names as the engine takes them."""
        names = [clean(name) for name in value or ()]
        return names if dialect.name == "postgresql" else json.dumps(names)


class among_collections(FunctionElement[bool]):  # noqa: N801 it stands in SQL as a function does
    """Whether a column is among the names of the statement's parameter ``collections``."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column, bindparam("collections", type_=Names()))


@compiles(among_collections, "postgresql")
def _among_postgresql(element: among_collections, compiler: SQLCompiler, **options: Any) -> str:
    column, names = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY({names})"


@compiles(among_collections, "sqlite")
def _among_sqlite(element: among_collections, compiler: SQLCompiler, **options: Any) -> str:
    column, names = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({names}))"  # noqa: S608 parts that SQLAlchemy compiled
