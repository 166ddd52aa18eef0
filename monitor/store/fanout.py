"""From a fact to its deliveries: one for every notifier that is to hear it, exactly once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Row,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from monitor.messages import FactKind
from monitor.store.columns import clock
from monitor.store.engine import insert_for, reading, writing
from monitor.store.models import IncidentRow, NotificationCountRow, OutboxRow
from monitor.telling import SUPERSEDED_BY, Damping, Route

BATCH = 20
"""Incidents of one transaction."""
DAY = timedelta(days=1)

PENDING = and_(OutboxRow.delivered_at.is_(None), OutboxRow.dead_at.is_(None))
_FACT = and_(OutboxRow.notifier.is_(None), OutboxRow.fact_id.is_(None))
_of_incident = OutboxRow.incident_id == IncidentRow.id
_LATEST_STANDING = (
    select(func.max(OutboxRow.id))
    .where(_of_incident, OutboxRow.notifier.is_(None), OutboxRow.kind.in_(["opened", "updated"]))
    .scalar_subquery()
)
_UNROUTED = exists().where(_of_incident, _FACT, PENDING)
_acknowledgement = aliased(OutboxRow)
_UNSAID = and_(
    IncidentRow.acknowledged_at.is_not(None),
    IncidentRow.resolved_at.is_(None),
    IncidentRow.announced_at.is_not(None),
    ~exists().where(_acknowledgement.incident_id == IncidentRow.id, _acknowledgement.kind == "acknowledged"),
)
_SUBJECTS = (
    select(IncidentRow.__table__)
    .where(or_(_UNROUTED, _UNSAID))
    .order_by(IncidentRow.id)
    .limit(BATCH)
    # The key of the incident stays as it is, so rows that refer to it may be written meanwhile.
    .with_for_update(skip_locked=True, key_share=True)
)


def moment(connection: Connection, at: datetime | None) -> datetime:
    """Return ``at``, or the database's present."""
    return at or connection.execute(select(clock())).scalar_one()


Tally = Counter[tuple[str, str]]
"""What a transaction has to count, by notifier and result."""


def keep(connection: Connection, tally: Tally) -> None:
    """Add to what is counted: last in a transaction and in one order, so that none waits for another in a circle."""
    statement = _counting(connection.dialect.name)
    for (notifier, result), number in sorted(tally.items()):
        connection.execute(statement, {"notifier": notifier, "result": result, "number": number})


def fan_out(engine: Engine, routes: Sequence[Route], damping: Damping, at: datetime | None = None) -> bool:
    """Give the facts that wait to the notifiers that are to hear them; return whether there was one.

    Any number of replicas may call this at any time: an incident's facts are taken up together and in order, under
    its row's lock, and a fact has one delivery per notifier.
    """
    with writing(engine) as connection:
        subjects = connection.execute(_SUBJECTS).all()
        if not subjects:
            return False
        now = moment(connection, at)
        tally: Tally = Counter()
        for incident in subjects:
            _acknowledge(connection, incident, now)
            _fan_out(connection, tally, incident, routes, damping, now)
        keep(connection, tally)
    return True


def adopt(engine: Engine, routes: Sequence[Route], damping: Damping, at: datetime | None = None) -> None:
    """Tell notifiers that have never heard of an incident that stands: they were configured after it opened."""
    standing = select(IncidentRow.__table__, _LATEST_STANDING.label("fact")).where(
        IncidentRow.resolved_at.is_(None), IncidentRow.announced_at.is_not(None), ~_UNROUTED
    )
    with reading(engine) as connection:
        if not connection.execute(standing.limit(1)).all():
            return
    with writing(engine) as connection:
        now = moment(connection, at)
        tally: Tally = Counter()
        for incident in connection.execute(standing).all():
            fact = connection.execute(
                select(OutboxRow.__table__).where(OutboxRow.id == incident.fact)
            ).one_or_none()
            if fact is None:
                continue
            heard = _heard_by(connection, incident.id)
            names = [
                r.name
                for r in routes
                if r.takes(incident.collection, incident.severity) and r.name not in heard
            ]
            _deliver(connection, tally, fact, names, _thread(connection, incident, damping), now, now, 1)
        keep(connection, tally)


def _acknowledge(connection: Connection, incident: Row[Any], now: datetime) -> None:
    """Make an acknowledgement a fact, once."""
    if incident.acknowledged_at is None or incident.resolved_at is not None:
        return
    said = select(OutboxRow.id).where(OutboxRow.incident_id == incident.id, OutboxRow.kind == "acknowledged")
    if connection.execute(said.limit(1)).one_or_none() is not None:
        return
    told = select(OutboxRow.payload).where(OutboxRow.incident_id == incident.id, _FACT)
    payload = connection.execute(told.order_by(OutboxRow.id.desc()).limit(1)).scalar()
    if payload is not None:
        connection.execute(
            insert(OutboxRow).values(
                incident_id=incident.id,
                kind="acknowledged",
                payload={**payload, "kind": "acknowledged", "acknowledged_by": incident.acknowledged_by},
                created_at=now,
                next_attempt_at=now,
            )
        )


def _fan_out(
    connection: Connection,
    tally: Tally,
    incident: Row[Any],
    routes: Sequence[Route],
    damping: Damping,
    now: datetime,
) -> None:
    waiting = select(OutboxRow.__table__).where(OutboxRow.incident_id == incident.id, _FACT, PENDING)
    facts = connection.execute(waiting.order_by(OutboxRow.id)).all()
    thread = _thread(connection, incident, damping)
    for fact in facts:
        if fact.kind in ("resolved", "acknowledged"):
            heard = _heard_by(connection, incident.id)
            names = [r.name for r in routes if r.name in heard]
        else:
            severity = fact.payload.get("severity", incident.severity)
            names = [r.name for r in routes if r.takes(incident.collection, severity)]
        openings = _openings(connection, thread, incident.id, now)
        due = now
        if fact.kind == "resolved" and openings >= damping.openings:
            due = now + damping.reopen_within
        _deliver(connection, tally, fact, names, thread, now, due, openings)
        connection.execute(
            update(OutboxRow).where(OutboxRow.id == fact.id).values(delivered_at=now, result="routed")
        )


def _deliver(
    connection: Connection,
    tally: Tally,
    fact: Row[Any],
    names: Sequence[str],
    thread: str,
    now: datetime,
    due: datetime,
    openings: int,
) -> None:
    statement = _add(connection.dialect.name)
    for name in names:
        connection.execute(
            statement,
            {
                "incident_id": fact.incident_id,
                "kind": fact.kind,
                "payload": {**fact.payload, "openings": openings},
                "created_at": now,
                "next_attempt_at": due,
                "notifier": name,
                "fact_id": fact.id,
                "thread": thread,
            },
        )
        supersede(connection, tally, thread, name, now)


def supersede(connection: Connection, tally: Tally, thread: str, notifier: str, now: datetime) -> None:
    """End the deliveries that wait in a thread and that a newer one makes pointless; what is on its way is left."""
    mine = (OutboxRow.thread == thread, OutboxRow.notifier == notifier, PENDING)
    rows = connection.execute(
        select(OutboxRow.id, OutboxRow.kind, OutboxRow.lease_until, OutboxRow.result)
        .where(*mine)
        .order_by(OutboxRow.id)
    ).all()
    newer: set[FactKind] = set()
    for row in reversed(rows):
        flying = row.lease_until is not None and row.lease_until > now
        if not flying and not newer.isdisjoint(SUPERSEDED_BY[row.kind]):
            ended = update(OutboxRow).where(OutboxRow.id == row.id, PENDING)
            result = row.result or "superseded"
            if connection.execute(ended.values(delivered_at=now, result=result)).rowcount and not row.result:
                tally[notifier, "superseded"] += 1
        newer.add(row.kind)


def _heard_by(connection: Connection, incident: int) -> set[str]:
    rows = select(OutboxRow.notifier).where(
        OutboxRow.incident_id == incident, OutboxRow.notifier.is_not(None)
    )
    return {name for name in connection.execute(rows.distinct()).scalars() if name is not None}


def _thread(connection: Connection, incident: Row[Any], damping: Damping) -> str:
    """Return the key that receivers know an incident by: that of one just before with the same cause, or a new one."""
    own = select(OutboxRow.thread).where(OutboxRow.incident_id == incident.id, OutboxRow.thread.is_not(None))
    if (kept := connection.execute(own.limit(1)).scalar()) is not None:
        return str(kept)
    before = (
        select(OutboxRow.thread)
        .join(IncidentRow, IncidentRow.id == OutboxRow.incident_id)
        .where(
            IncidentRow.collection == incident.collection,
            IncidentRow.cause == incident.cause,
            IncidentRow.id < incident.id,
            IncidentRow.resolved_at >= incident.opened_at - damping.reopen_within,
            OutboxRow.thread.is_not(None),
        )
        .order_by(OutboxRow.id.desc())
        .limit(1)
    )
    if (kept := connection.execute(before).scalar()) is not None:
        return str(kept)
    # Two deployments that tell one receiver number their incidents alike; they do not open at one moment.
    said = f"{incident.collection}\n{incident.id}\n{incident.opened_at.isoformat()}"
    return f"driftmon-{incident.id}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def _openings(connection: Connection, thread: str, incident: int, now: datetime) -> int:
    """Return how many incidents have opened under a key in the last day, this one among them."""
    opened = select(OutboxRow.incident_id).where(
        OutboxRow.thread == thread, OutboxRow.created_at > now - DAY, OutboxRow.incident_id != incident
    )
    return 1 + len(set(connection.execute(opened.distinct()).scalars()))


@cache
def _add(dialect: str) -> Executable:
    return insert_for(dialect, OutboxRow).on_conflict_do_nothing(index_elements=["fact_id", "notifier"])


@cache
def _counting(dialect: str) -> Executable:
    statement = insert_for(dialect, NotificationCountRow)
    return statement.on_conflict_do_update(
        index_elements=["notifier", "result"],
        set_={"number": NotificationCountRow.number + statement.excluded.number},
    )
