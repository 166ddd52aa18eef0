"""Deliveries on their way: claimed under a lease, and settled by whoever still holds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, exists, or_, select, update
from sqlalchemy.orm import aliased

from monitor.messages import Delivery, Receipt
from monitor.records import Event, Severity, Silence
from monitor.store.columns import UTCDateTime, clean, clock
from monitor.store.engine import reading, writing
from monitor.store.fanout import PENDING, Tally, keep, moment, supersede
from monitor.store.models import EventRow, IncidentRow, OutboxRow, SilenceRow
from monitor.telling import RANK, Drop, Heard, Hold, Patience, decide, hush

ERROR_LENGTH = 500
SHOWN = timedelta(days=1)
"""How far back the events that a message names may lie."""
MOST_EVENTS = 5
MOST_AT_ONCE = 100
"""Deliveries that one claim puts off or ends at most on its way to one that is to be sent."""
ON_THEIR_WAY = OutboxRow.notifier.is_not(None)
_NOW = bindparam("now", type_=UTCDateTime())
_earlier = aliased(OutboxRow)
_FREE = or_(OutboxRow.lease_until.is_(None), OutboxRow.lease_until <= _NOW)
_FIRST_OF_THREAD = ~exists().where(
    _earlier.thread == OutboxRow.thread,
    _earlier.notifier == OutboxRow.notifier,
    _earlier.id < OutboxRow.id,
    _earlier.delivered_at.is_(None),
    _earlier.dead_at.is_(None),
)
_DUE = (
    select(OutboxRow.__table__)
    .where(
        OutboxRow.notifier == bindparam("notifier"),
        PENDING,
        OutboxRow.next_attempt_at <= _NOW,
        _FREE,
        _FIRST_OF_THREAD,
    )
    .order_by(OutboxRow.next_attempt_at, OutboxRow.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_CALLS = select(OutboxRow.notifier).where(
    PENDING,
    OutboxRow.next_attempt_at <= clock(),
    or_(OutboxRow.lease_until.is_(None), OutboxRow.lease_until <= clock()),
)
_UNSAID = select(IncidentRow.id).where(
    IncidentRow.acknowledged_at.is_not(None),
    IncidentRow.resolved_at.is_(None),
    IncidentRow.announced_at.is_not(None),
    ~exists().where(OutboxRow.incident_id == IncidentRow.id, OutboxRow.kind == "acknowledged"),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether facts wait to be routed, and which notifiers have something to send."""

    facts: bool
    notifiers: frozenset[str]


def look(engine: Engine) -> Waiting:
    """Return what there is to do now; it takes no lock."""
    with reading(engine) as connection:
        names = set(connection.execute(_CALLS.distinct()).scalars())
        unsaid = connection.execute(_UNSAID.limit(1)).one_or_none() is not None
    return Waiting(unsaid or None in names, frozenset(n for n in names if n is not None))


def claim(engine: Engine, notifier: str, lease: timedelta, at: datetime | None = None) -> Delivery | None:
    """Claim a notifier's next delivery that is to be sent now, or return None.

    Deliveries of one key go out in order, one at a time. What a silence holds back is put off, and what nobody is to
    hear any more is ended. A delivery whose lease ran out is claimed anew: its attempt may have reached the receiver.
    """
    with writing(engine) as connection:
        now, tally = moment(connection, at), Counter[tuple[str, str]]()
        delivery = None
        for _ in range(MOST_AT_ONCE):
            row = connection.execute(_DUE, {"notifier": notifier, "now": now}).one_or_none()
            if row is None or (delivery := _take(connection, tally, row, lease, now)) is not None:
                break
        keep(connection, tally)
    return delivery


def _take(
    connection: Connection, tally: Tally, row: Row[Any], lease: timedelta, now: datetime
) -> Delivery | None:
    mine = update(OutboxRow).where(OutboxRow.id == row.id)
    incident = connection.execute(
        select(IncidentRow.__table__).where(IncidentRow.id == row.incident_id)
    ).one()
    payload = row.payload
    severity: Severity = payload.get("severity", incident.severity)
    cause = payload.get("cause", incident.cause)
    heard = _heard(connection, row.thread, row.notifier, row.id)
    hushed = hush(incident.collection, cause, now, _silences(connection, now), _graces(connection, now))
    acknowledged = incident.acknowledged_at is not None
    decision = decide(row.kind, severity, heard, hushed, now, acknowledged=acknowledged)
    if isinstance(decision, Hold):
        if row.result is None:
            tally[row.notifier, "silenced"] += 1
        connection.execute(mine.values(next_attempt_at=decision.until, result="silenced"))
        return None
    if isinstance(decision, Drop):
        tally[row.notifier, decision.result] += 1
        connection.execute(mine.values(delivered_at=now, result=decision.result))
        return None
    attempts, first = row.attempts + 1, row.first_attempt_at or now
    connection.execute(
        mine.values(
            attempts=attempts, first_attempt_at=first, lease_until=now + lease, in_doubt=True, result=None
        )
    )
    return Delivery(
        id=row.id,
        notifier=row.notifier,
        kind=decision.kind,
        key=row.thread,
        payload=payload,
        attempts=attempts,
        first_attempt_at=first,
        in_doubt=row.in_doubt,
        first=not heard.ever,
        openings=int(payload.get("openings", 1)),
        events=_events(connection, incident.collection, now),
        acknowledged_by=incident.acknowledged_by or "",
    )


def delivered(engine: Engine, delivery: Delivery, at: datetime | None = None) -> bool:
    """Note that a claimed delivery has reached its receiver; return whether the claim still held."""
    with writing(engine) as connection:
        now = moment(connection, at)
        values = {"delivered_at": now, "result": "delivered", "lease_until": None, "last_error": None}
        if not _settle(connection, delivery, values):
            return False
        keep(connection, Counter({(delivery.notifier, "delivered"): 1}))
    return True


def failed(
    engine: Engine,
    delivery: Delivery,
    receipt: Receipt,
    patience: Patience,
    draw: float,
    at: datetime | None = None,
) -> bool:
    """Put a claimed delivery off, or let it die when it was refused or its time is over; return whether it died.

    ``draw`` is uniform in [0, 1): the jitter.
    """
    with writing(engine) as connection:
        now = moment(connection, at)
        over = now - delivery.first_attempt_at >= patience.give_up_after
        dead = receipt.result == "refused" or over
        pause = patience.pause(delivery.attempts, draw, receipt.retry_after)
        values: dict[str, Any] = {
            "lease_until": None,
            "last_error": clean(receipt.reason, ERROR_LENGTH),
            "in_doubt": delivery.in_doubt or receipt.in_doubt,
            **(
                {"dead_at": now, "result": "dead"}
                if dead
                else {"next_attempt_at": now + timedelta(seconds=pause)}
            ),
        }
        if not _settle(connection, delivery, values):
            return False
        tally: Tally = Counter({(delivery.notifier, "dead" if dead else "retried"): 1})
        supersede(connection, tally, delivery.key, delivery.notifier, now)
        keep(connection, tally)
    return dead


def expire(engine: Engine, names: Sequence[str], patience: Patience, at: datetime | None = None) -> int:
    """Let deliveries die that have waited too long for a notifier that nobody configures any more."""
    with writing(engine) as connection:
        now = moment(connection, at)
        old = select(OutboxRow.id, OutboxRow.notifier).where(
            ON_THEIR_WAY,
            PENDING,
            OutboxRow.notifier.not_in([*names]),
            OutboxRow.created_at < now - patience.give_up_after,
        )
        rows, tally = connection.execute(old).all(), Counter[tuple[str, str]]()
        for row in rows:
            reason = f"no entry of notify is called {row.notifier!r} any more; configure it and replay this, or drop it"
            gone = update(OutboxRow).where(OutboxRow.id == row.id)
            connection.execute(gone.values(dead_at=now, result="dead", last_error=reason))
            tally[row.notifier, "dead"] += 1
        keep(connection, tally)
    return len(rows)


def _settle(connection: Connection, delivery: Delivery, values: dict[str, Any]) -> bool:
    held = update(OutboxRow).where(
        OutboxRow.id == delivery.id, OutboxRow.attempts == delivery.attempts, PENDING
    )
    return connection.execute(held.values(**values)).rowcount == 1


def _heard(connection: Connection, thread: str, notifier: str, before: int) -> Heard:
    """Return what the receiver has heard, from what was delivered to it or may have been."""
    reached = select(OutboxRow.kind, OutboxRow.payload, OutboxRow.result).where(
        OutboxRow.thread == thread,
        OutboxRow.notifier == notifier,
        OutboxRow.id < before,
        or_(OutboxRow.result == "delivered", OutboxRow.in_doubt),
    )
    heard = Heard()
    for row in connection.execute(reached.order_by(OutboxRow.id)):
        if row.kind == "resolved":
            if row.result == "delivered":
                heard = Heard(ever=True)
            continue
        told: Severity = row.payload.get("severity", "none")
        heard = Heard(told=True, severity=max(heard.severity, told, key=RANK.__getitem__), ever=True)
    return heard


def _silences(connection: Connection, at: datetime) -> list[Silence]:
    rows = connection.execute(
        select(SilenceRow.__table__).where(SilenceRow.ends_at > at, SilenceRow.starts_at <= at)
    )
    return [Silence(*(getattr(row, name) for name in Silence.__slots__)) for row in rows]


def _graces(connection: Connection, at: datetime) -> list[Event]:
    planned = select(EventRow.__table__).where(EventRow.planned, EventRow.grace_until > at, EventRow.at <= at)
    return [_event(row) for row in connection.execute(planned)]


def _events(connection: Connection, collection: str, at: datetime) -> tuple[Event, ...]:
    places = [collection, collection.partition("/")[0], ""]
    lately = select(EventRow.__table__).where(
        EventRow.collection.in_(places), EventRow.at > at - SHOWN, EventRow.at <= at
    )
    rows = connection.execute(lately.order_by(EventRow.at.desc(), EventRow.id.desc()).limit(MOST_EVENTS))
    return tuple(_event(row) for row in rows)


def _event(row: Row[Any]) -> Event:
    return Event(**{name: getattr(row, name) for name in Event.__slots__})
