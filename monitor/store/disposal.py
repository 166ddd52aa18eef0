"""What is too old to be kept at all: each function drops a batch of it and tells how many rows went.

All are called with the collection's lock held, with the moment that what goes must lie before. They look for what
is old, whenever it came to be so, and keep no place of their own: a row that was skipped once is found later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, insert, or_, select, update

from monitor.store import events
from monitor.store.columns import BigKey, UTCDateTime, clock
from monitor.store.models import AuditRow, IncidentRow, OutboxRow, ProfileRow, SilenceRow, WindowRow, parked

BATCH = 200
"""Rows of one transaction: some milliseconds, so that a commit waits for the lock no longer than that."""

_IDS = bindparam("ids", type_=BigKey, expanding=True)
_BEFORE = bindparam("before", type_=UTCDateTime())
_OLD = (
    WindowRow.collection == bindparam("collection"),
    WindowRow.start_at < _BEFORE,
    WindowRow.end_at <= _BEFORE,
)
_DONE = WindowRow.state == "done"
_WINDOWS = select(WindowRow.id).where(*_OLD, _DONE).order_by(WindowRow.start_at).limit(BATCH)
_PARKED = (
    select(WindowRow.id, WindowRow.start_at, WindowRow.end_at)
    .where(*_OLD, parked())
    .order_by(WindowRow.start_at)
    .limit(BATCH)
)
_PROFILES = (
    select(ProfileRow.window_id)
    .join(WindowRow, WindowRow.id == ProfileRow.window_id)
    .where(*_OLD, _DONE)
    .limit(BATCH)
)
_REJECTED = select(WindowRow.id).where(*_OLD, _DONE, WindowRow.rejected.is_not(None)).limit(BATCH)
_SETTLED = (
    select(OutboxRow.id)
    .join(IncidentRow, IncidentRow.id == OutboxRow.incident_id)
    .where(
        IncidentRow.collection == bindparam("collection"),
        or_(OutboxRow.delivered_at < _BEFORE, OutboxRow.dead_at < _BEFORE),
    )
    .limit(BATCH)
)
# A message that waits holds its incident: it is told before it is forgotten.
_WAITING = exists().where(
    OutboxRow.incident_id == IncidentRow.id, OutboxRow.delivered_at.is_(None), OutboxRow.dead_at.is_(None)
)
_RESOLVED = (
    select(IncidentRow.id)
    .where(IncidentRow.collection == bindparam("collection"), IncidentRow.resolved_at < _BEFORE, ~_WAITING)
    .limit(BATCH)
)
# Those that stand for every collection go with the first one that is looked after.
_ENDED = (
    select(SilenceRow.id)
    .where(
        or_(SilenceRow.collection == bindparam("collection"), SilenceRow.collection == ""),
        SilenceRow.ends_at < _BEFORE,
    )
    .limit(BATCH)
)
_DROP_SILENCES = delete(SilenceRow).where(SilenceRow.id.in_(_IDS))
_DROP_WINDOWS = delete(WindowRow).where(WindowRow.id.in_(_IDS))
_DROP_PROFILES = delete(ProfileRow).where(ProfileRow.window_id.in_(_IDS))
_EMPTY = update(WindowRow).where(WindowRow.id.in_(_IDS)).values(rejected=None)
_DROP_MESSAGES = delete(OutboxRow).where(OutboxRow.id.in_(_IDS))
_DROP_INCIDENTS = delete(IncidentRow).where(IncidentRow.id.in_(_IDS))
_TELL = insert(AuditRow).values(at=clock(), actor="driftmon", action="drop_parked")


def drop_windows(connection: Connection, collection: str, before: datetime) -> Counter[str]:
    """Drop done windows with all that hangs on them."""
    return Counter(deleted=_drop(connection, _WINDOWS, _DROP_WINDOWS, collection, before))


def drop_parked(connection: Connection, collection: str, before: datetime) -> Counter[str]:
    """Drop parked windows, and say so in the audit log: they were never measured."""
    rows = connection.execute(_PARKED, _old(collection, before)).all()
    if rows:
        connection.execute(_DROP_WINDOWS, {"ids": [row.id for row in rows]})
        told = {
            "collection": collection,
            "subject": f"{rows[0].start_at.isoformat()}/{rows[-1].end_at.isoformat()}",
            "reason": f"{len(rows)} parked windows that ended before {before.isoformat()} were dropped",
        }
        connection.execute(_TELL, told)
    return Counter(parked=len(rows))


def drop_profiles(connection: Connection, collection: str, before: datetime) -> Counter[str]:
    """Drop the profiles of done windows; the readings stay."""
    return Counter(profiles=_drop(connection, _PROFILES, _DROP_PROFILES, collection, before))


def empty_rejected(connection: Connection, collection: str, before: datetime) -> Counter[str]:
    """Forget what was rejected in done windows, the examples with the counts."""
    return Counter(rejected=_drop(connection, _REJECTED, _EMPTY, collection, before))


def drop_incidents(connection: Connection, collection: str, before: datetime) -> Counter[str]:
    """Drop messages that were delivered or given up, resolved incidents of which none waits, and events as old."""
    messages = _drop(connection, _SETTLED, _DROP_MESSAGES, collection, before)
    incidents = _drop(connection, _RESOLVED, _DROP_INCIDENTS, collection, before)
    return Counter(
        messages=messages, incidents=incidents, events=events.drop_events(connection, collection, before)
    )


def drop_silences(connection: Connection, collection: str, before: datetime) -> Counter[str]:
    """Drop silences that have ended."""
    return Counter(silences=_drop(connection, _ENDED, _DROP_SILENCES, collection, before))


def _drop(connection: Connection, find: Select[Any], drop: Any, collection: str, before: datetime) -> int:
    ids = connection.execute(find, _old(collection, before)).scalars().all()
    if ids:
        connection.execute(drop, {"ids": ids})
    return len(ids)


def _old(collection: str, before: datetime) -> Mapping[str, Any]:
    return {"collection": collection, "before": before}
