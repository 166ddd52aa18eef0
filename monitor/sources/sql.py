"""A log in a SQL table or view, read one window at a time and never written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from warnings import catch_warnings, filterwarnings

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SAWarning
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import TypeEngine

from monitor.errors import ConfigError
from monitor.records import Record, Records, Rejection
from monitor.sources.batch import Column
from monitor.sources.columns import ColumnMap, check_columns, complete, hint, named
from monitor.sources.row_fields import RowFormat
from monitor.sources.rows import RowReader, each
from monitor.sources.sql_connection import open_session, parse_url
from monitor.sources.sql_time import in_window
from monitor.sources.values import FlawError, VectorDtype, is_text, read_time, read_zone


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SqlSource:
    """Retrieval logged to a table or view of PostgreSQL, SQLite or another database that SQLAlchemy knows.

    A row without a time is in no window and is not seen.

    Attributes
    ----------
    url : SecretStr
        Database URL; shown nowhere.
    table, schema : str
        Table or view; the schema may be left to the database.
    columns : mapping
        Our field -> column; left out, the fields' own names where the table has them.
    timezone : str
        Zone of timestamps that carry none.
    timeout : float
        Seconds that connecting, or one batch of rows, may take (PostgreSQL and SQLite enforce it).
    batch_size : int
        Rows held in memory at a time.
    hit_id, hit_score : str
        Names inside ``hits`` when that is a list of objects.
    vector_dtype : str
        What a vector column of bytes holds: ``float32`` or ``float16``, little-endian.
    """

    url: SecretStr
    table: str
    schema: str | None = None
    columns: ColumnMap = field(default_factory=dict)
    timezone: str = "UTC"
    timeout: float = 20.0
    batch_size: int = 1000
    hit_id: str = "id"
    hit_score: str = "score"
    vector_dtype: VectorDtype = "float32"
    clock: Callable[[], datetime] = field(default=_now, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            parse_url(self.url.get_secret_value())
        except ArgumentError:
            raise ValueError(
                "url: not a database URL; it looks like postgresql+psycopg://user:password@host/database "
                "or sqlite:///log.db"
            ) from None
        if not self.table:
            raise ValueError("table: must name a table or view")
        if not is_text(self.table):
            raise ValueError("table: is no text that UTF-8 can hold; name a table or view")
        if not 0 < self.timeout <= 3600:
            raise ValueError("timeout: must be above 0 and at most 3600 seconds")
        if not 1 <= self.batch_size <= 100_000:
            raise ValueError("batch_size: must be from 1 to 100000 rows")
        check_columns(self.columns)
        read_zone(self.timezone)

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield the records of ``[start, end)`` one by one; raises `EdgeError` or `ConfigError`."""
        return each(self.read_columns(start, end))

    def read_columns(self, start: datetime, end: datetime) -> Iterator[Records | Record | Rejection]:
        """Yield the records of ``[start, end)`` in columns, batch by batch; raises `EdgeError` or `ConfigError`."""
        zone = read_zone(self.timezone)
        with open_session(self.url, self.timeout) as session:
            log = reflect(session.connection, self.table, self.schema, self.columns)
            row_format = RowFormat(zone, self.hit_id, self.hit_score, self.vector_dtype)
            reader = RowReader(log.columns, row_format, start, end, self.clock())
            dialect = session.connection.dialect.name
            condition = in_window(log.time, log.time_type, dialect, (start, end), zone)
            wanted = sa.select(*(log.table.c[name] for name in reader.names)).where(condition)
            # Closed here, while the connection is open: whoever stops reading early leaves no cursor behind.
            with closing(session.stream(wanted, self.batch_size)) as batches:
                for batch in batches:
                    columns = list(zip(*batch, strict=True))
                    yield from reader.read_columns(columns, _places(self.table, reader.names[0], columns[0]))

    def describe(self) -> str:
        """Return what is there, what is mapped and how fresh it is; raises `EdgeError` or `ConfigError`."""
        zone = read_zone(self.timezone)
        with open_session(self.url, self.timeout) as session:
            log = reflect(session.connection, self.table, self.schema, self.columns)
            dialect = session.connection.dialect.name
            now = self.clock()
            in_window(
                log.time, log.time_type, dialect, (now, now), zone
            )  # refuses a column that holds no times
            newest = session.connection.scalar(sa.select(sa.func.max(log.time)))
            views = sa.inspect(session.connection).get_view_names(self.schema)
        try:
            freshness = f"newest record {read_time(newest, zone).isoformat(timespec='seconds')}"
        except FlawError as flaw:
            freshness = (
                "no record yet"
                if flaw.reason == "missing_time"
                else f"newest time unreadable ({flaw.reason})"
            )
        mapped = ", ".join(log.columns)
        kind = "view" if self.table in views else "table"
        return f"{dialect} {kind} {self.table}: {log.width} columns, {freshness}, mapped {mapped}"


def _places(table: str, name: str, ids: Column) -> Callable[[int], str]:
    return lambda row: f"{table} {name}={ids[row]!r:.80}"


@dataclass(frozen=True, slots=True)
class Log:
    """A log's table as the database has it, and its columns by our field."""

    table: sa.TableClause
    width: int
    columns: Mapping[str, str | Mapping[str, str]]
    time_type: TypeEngine[Any]

    @property
    def time(self) -> sa.ColumnClause[Any]:
        """The time column."""
        return self.table.c[str(self.columns["at"])]


def reflect(connection: Connection, table: str, schema: str | None, columns: ColumnMap) -> Log:
    """Look the table and its columns up, so that no name of the configuration reaches SQL unseen.

    Raises
    ------
    ConfigError
        With what there is, when the schema, the table or a column does not exist.
    """
    inspector = sa.inspect(connection)
    if schema is not None and schema not in (schemas := inspector.get_schema_names()):
        raise ConfigError(f"source.schema: there is no schema {schema!r}; {hint(schema, schemas)}")
    try:
        with catch_warnings():
            # Types such as vector are unknown to SQLAlchemy, and their values are read as they come.
            filterwarnings("ignore", "Did not recognize type", SAWarning)
            types = {column["name"]: column["type"] for column in inspector.get_columns(table, schema)}
    except NoSuchTableError:
        tables = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        raise ConfigError(
            f"source.table: there is no table or view {table!r}; {hint(table, tables)}"
        ) from None
    mapped = complete(columns, types)
    for field_name, name in named(mapped):
        if name not in types:
            raise ConfigError(
                f"source.columns.{field_name}: table {table!r} has no column {name!r}; {hint(name, types)}"
            )
    written = (table, schema or "", *(name for _, name in named(mapped)))
    if connection.dialect.positional and any("%(" in name for name in written):
        # SQLAlchemy takes it for the place of a parameter and writes a statement that is broken.
        raise ConfigError(
            f"source.table: {table!r} or a column of it has '%(' in its name; name a view over it instead"
        )
    clause = sa.table(
        quoted_name(table, quote=True),
        *(sa.column(quoted_name(name, quote=True)) for _, name in named(mapped)),
        schema=None if schema is None else quoted_name(schema, quote=True),
    )
    return Log(clause, len(types), mapped, types[str(mapped["at"])])
