"""Events: what people and pipelines say they did to the monitored service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, func, insert, or_, select

from monitor.records import Event
from monitor.store.columns import clock
from monitor.store.engine import insert_for, reading, writing
from monitor.store.models import AuditRow, EventRow

MOST = 500
"""Events that one question returns at most."""
BATCH = 200
_LATEST = select(EventRow.collection, EventRow.kind, func.max(EventRow.at).label("at")).group_by(
    EventRow.collection, EventRow.kind
)


def add_event(engine: Engine, event: Event) -> tuple[Event, bool]:
    """Keep an event and return it with True; one whose key is known is returned as it was told first, with False."""
    values = {
        "key": event.key,
        "collection": event.collection,
        "at": event.at,
        "kind": event.kind,
        "title": event.title,
        "planned": event.planned,
        "grace_until": event.grace_until,
        "url": event.url,
        "recorded_at": clock(),
        "recorded_by": event.recorded_by,
    }
    with writing(engine) as connection:
        keep = insert_for(engine.dialect.name, EventRow).values(**values)
        # Without the option PostgreSQL's driver tells no count of an INSERT.
        done = connection.execute(
            keep.on_conflict_do_nothing(index_elements=["key"]), execution_options={"preserve_rowcount": True}
        )
        created = done.rowcount == 1
        if created:
            connection.execute(
                insert(AuditRow).values(
                    at=clock(),
                    actor=event.recorded_by,
                    action="record_event",
                    collection=event.collection,
                    subject=f"event {event.key}",
                    reason=f"{event.kind}: {event.title}",
                )
            )
        kept = connection.execute(_events().where(EventRow.key == event.key)).one()
    return _event(kept), created


def list_events(
    engine: Engine,
    collections: Sequence[str] | None,
    since: datetime,
    until: datetime,
    limit: int = MOST,
) -> list[Event]:
    """Return the newest events in ``[since, until)``, newest first.

    ``collections`` None asks for all; otherwise those of the named ones and those that speak of every collection.
    """
    with reading(engine) as connection:
        return _between(connection, collections, since, until, limit)


def latest_events(engine: Engine, now: datetime) -> Mapping[tuple[str, str], datetime]:
    """Return when each kind of event came last, up to ``now``, by collection ("" for all of them) and kind."""
    with reading(engine) as connection:
        rows = connection.execute(_LATEST.where(EventRow.at <= now))
        return {(row.collection, row.kind): row.at for row in rows}


def graces(engine: Engine, at: datetime) -> list[Event]:
    """Return the planned events whose grace period holds at a moment."""
    query = _events().where(EventRow.planned, EventRow.at <= at, EventRow.grace_until > at)
    with reading(engine) as connection:
        return [_event(row) for row in connection.execute(query.order_by(EventRow.at))]


def drop_events(connection: Connection, collection: str, before: datetime) -> int:
    """Drop a batch of a collection's old events, and of those that speak of all."""
    old = select(EventRow.id).where(EventRow.collection.in_([collection, ""]), EventRow.at < before)
    ids = connection.execute(old.limit(BATCH)).scalars().all()
    if ids:
        connection.execute(delete(EventRow).where(EventRow.id.in_(ids)))
    return len(ids)


def _between(
    connection: Connection,
    collections: Sequence[str] | None,
    since: datetime,
    until: datetime,
    limit: int,
) -> list[Event]:
    query = _events().where(EventRow.at >= since, EventRow.at < until)
    if collections is not None:
        query = query.where(or_(EventRow.collection.in_([*collections]), EventRow.collection == ""))
    newest = query.order_by(EventRow.at.desc(), EventRow.id.desc()).limit(min(limit, MOST))
    return [_event(row) for row in connection.execute(newest)]


def _events() -> Select[Any]:
    return select(EventRow.__table__)


def _event(row: Row[Any]) -> Event:
    return Event(
        key=row.key,
        at=row.at,
        kind=row.kind,
        title=row.title,
        collection=row.collection,
        planned=row.planned,
        grace_until=row.grace_until,
        url=row.url,
        recorded_by=row.recorded_by,
    )
