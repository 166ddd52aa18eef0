"""A window as a condition on a time column, whatever the column holds.

The condition may let neighbours through (the reader compares exactly) but never leaves a record out.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from monitor.errors import ConfigError

_ANY_OFFSET = timedelta(hours=15)
"""No zone is further from UTC than 14 hours."""
_CLOCK_CHANGE = timedelta(hours=2)
_JULIAN_EPOCH = 2440587.5
_DAY = 86400.0


def in_window(
    column: sa.ColumnClause[Any],
    kind: TypeEngine[Any],
    dialect: str,
    span: tuple[datetime, datetime],
    zone: tzinfo,
) -> sa.ColumnElement[bool]:
    """Return the condition that ``column`` lies in ``span``, half-open, in a form that an index can serve.

    Raises
    ------
    ConfigError
        When a column of this type holds no times.
    """
    start, end = span
    if dialect == "sqlite":
        # The declared type binds nobody there: each value is a number or a text, and the two never mix.
        return sa.or_(_as_number(column, start, end), _as_sqlite_text(column, start, end, zone))
    if isinstance(kind, sa.DateTime):
        return _as_timestamp(column, kind, start, end, zone)
    if isinstance(kind, sa.Integer | sa.Numeric | sa.Float):
        return _as_number(column, start, end)
    if isinstance(kind, sa.String):
        return _as_text(column, start, end)
    raise ConfigError(
        f"source.columns.at: column {column.name!r} is of type {kind}; "
        "name one that holds timestamps, epoch seconds or milliseconds, or ISO 8601 text"
    )


def _as_timestamp(
    column: sa.ColumnClause[Any], kind: sa.DateTime, start: datetime, end: datetime, zone: tzinfo
) -> sa.ColumnElement[bool]:
    if not kind.timezone:
        # Where clocks are put back, an hour comes twice and a window may seem to end before it starts.
        margin = timedelta(0) if zone is UTC else _CLOCK_CHANGE
        start, end = (
            _shift(m, d).astimezone(zone).replace(tzinfo=None) for m, d in ((start, -margin), (end, margin))
        )
    as_time = sa.DateTime(timezone=kind.timezone)
    return sa.and_(column >= sa.literal(start, as_time), column < sa.literal(end, as_time))


def _as_number(column: sa.ColumnClause[Any], start: datetime, end: datetime) -> sa.ColumnElement[bool]:
    # Seconds and milliseconds of our times do not overlap, so both ranges may be asked for at once.
    ranges = [
        sa.and_(
            column >= sa.literal(math.floor(start.timestamp() - 1) * unit, sa.BigInteger()),
            column <= sa.literal(math.ceil(end.timestamp() + 1) * unit, sa.BigInteger()),
        )
        for unit in (1, 1000)
    ]
    return sa.or_(*ranges)


def _as_text(column: sa.ColumnClause[Any], start: datetime, end: datetime) -> sa.ColumnElement[bool]:
    # '2026-03-02T…' and '2026-03-02 …' agree in ten characters alone, and each text has its own offset.
    first = _shift(start, -_ANY_OFFSET).date().isoformat()
    beyond = _shift(end, _ANY_OFFSET + timedelta(days=1)).date().isoformat()
    return sa.and_(column >= sa.literal(first, sa.String()), column < sa.literal(beyond, sa.String()))


def _as_sqlite_text(
    column: sa.ColumnClause[Any], start: datetime, end: datetime, zone: tzinfo
) -> sa.ColumnElement[bool]:
    # SQLite reads ISO texts itself: of the days around the window only its own rows have to reach Python.
    margin = timedelta(seconds=2) if zone is UTC else _ANY_OFFSET
    day = sa.func.julianday(column)
    low, high = (
        _JULIAN_EPOCH + _shift(m, d).timestamp() / _DAY for m, d in ((start, -margin), (end, margin))
    )
    # What it cannot read is Python's to judge. Asked for once: this looks at every entry of the days around.
    return sa.and_(_as_text(column, start, end), sa.func.ifnull(day, low).between(low, high))


def _shift(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # the end of the calendar: nothing lies beyond
        return moment
