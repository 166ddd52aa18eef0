"""Streams and their evidence: what a collection carries from window to window, spoken of one baseline."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Executable, bindparam, delete, select, update

from monitor.records import Evidence, Ingest, Outcome, Reading
from monitor.store.columns import among_collections, clock
from monitor.store.engine import insert_for, reading
from monitor.store.ledger import lock
from monitor.store.models import BaselineRow, CollectionRow, EvidenceRow, IncidentRow, StreamRow

_CARRIED = (StreamRow.detector, StreamRow.signal, EvidenceRow.log_e, EvidenceRow.firing, EvidenceRow.calm)
_EVIDENCE = (
    select(StreamRow.collection, *_CARRIED)
    .join(EvidenceRow, EvidenceRow.stream_id == StreamRow.id)
    .where(among_collections(StreamRow.collection))
    .order_by(StreamRow.detector, StreamRow.signal)
)
_LIMITS = update(StreamRow).where(StreamRow.id == bindparam("stream"))
_DROP = delete(EvidenceRow).where(EvidenceRow.stream_id == bindparam("stream"))
_DROP_ALL = delete(EvidenceRow).where(
    EvidenceRow.stream_id.in_(select(StreamRow.id).where(StreamRow.collection == bindparam("collection")))
)
_UNSEE = (
    update(CollectionRow)
    .where(CollectionRow.collection == bindparam("of"))
    .values(corpus_seen=None, updated_at=clock())
)
ACTIVE = select(BaselineRow.id).where(BaselineRow.collection == bindparam("collection"), BaselineRow.active)
"""The number of a collection's baseline in use."""
_THIS = CollectionRow.collection == bindparam("collection")
_SEEN = select(CollectionRow.corpus_seen).where(_THIS)
# One statement where three would do: each costs a window more than the rows that it repeats.
_STATE = (
    select(
        ACTIVE.scalar_subquery().label("baseline_id"),
        CollectionRow.ingest,
        CollectionRow.corpus_seen.is_not(None).label("has_seen"),
        *_CARRIED,
    )
    .select_from(CollectionRow)
    .outerjoin(StreamRow, StreamRow.collection == CollectionRow.collection)
    .outerjoin(EvidenceRow, EvidenceRow.stream_id == StreamRow.id)
    .where(_THIS)
    .order_by(StreamRow.detector, StreamRow.signal)
)
_STREAMS = (
    select(
        StreamRow,
        EvidenceRow.window_start,
        ACTIVE.scalar_subquery().label("baseline_id"),
        select(IncidentRow.id)
        .where(IncidentRow.collection == bindparam("collection"), IncidentRow.resolved_at.is_(None))
        .scalar_subquery()
        .label("incident_id"),
    )
    .select_from(CollectionRow)
    .outerjoin(StreamRow, StreamRow.collection == CollectionRow.collection)
    .outerjoin(EvidenceRow, EvidenceRow.stream_id == StreamRow.id)
    .where(_THIS)
)
Limits = tuple[float, float | None, bool]
NO_LIMITS: Limits = (0.0, None, False)


@dataclass(frozen=True, slots=True)
class CollectionState:
    """What earlier windows of a collection left behind for the next one."""

    evidence: tuple[Evidence, ...] = ()
    corpus_seen: NDArray[np.uint64] | None = None
    ingest: Ingest | None = None
    baseline_id: int | None = None
    """The baseline in use, as of the same moment; None where there is none."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stored stream: its number, what its readings are held against, and the start of its evidence's window."""

    id: int
    limits: Limits
    window_start: datetime | None


@dataclass(frozen=True, slots=True)
class Current:
    """What is current of a collection when a window of it is committed: streams, baseline in use, open incident."""

    streams: Mapping[str, Stream]
    baseline_id: int | None
    incident_id: int | None


def load_state(engine: Engine, collection: str) -> CollectionState:
    """Return the evidence per stream and the hashes of the documents seen, as the last window left them."""
    with reading(engine) as connection:
        rows = connection.execute(_STATE, {"collection": collection}).all()
        if not rows:  # no window of it was ever kept
            return CollectionState(
                baseline_id=connection.execute(ACTIVE, {"collection": collection}).scalar()
            )
        state, seen = rows[0], None
        if state.has_seen:
            seen = connection.execute(_SEEN, {"collection": collection}).scalar_one()
    hashes = None if seen is None else np.frombuffer(seen, dtype="<u8").astype(np.uint64)
    return CollectionState(_to_evidence(rows), hashes, _to_ingest(state.ingest), state.baseline_id)


def _to_evidence(rows: Sequence[Any]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(row.detector, row.signal, row.log_e, row.firing, row.calm)
        for row in rows
        if row.log_e is not None  # a stream without evidence, or a collection without streams
    )


def ingest_values(ingest: Ingest) -> dict[str, Any]:
    """Return what is known of arrivals as plain JSON."""
    return {**asdict(ingest), "since": ingest.since.isoformat(), "newest": ingest.newest.isoformat()}


def _to_ingest(values: dict[str, Any] | None) -> Ingest | None:
    if not values:
        return None
    moments = {name: datetime.fromisoformat(values[name]) for name in ("since", "newest")}
    return Ingest(**{**values, **moments})


def read_evidence(connection: Connection, collections: Sequence[str]) -> Mapping[str, tuple[Evidence, ...]]:
    """Return the evidence of each collection that has any."""
    found: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(_EVIDENCE, {"collections": collections}).all():
        found[row.collection].append(row)
    return {name: _to_evidence(rows) for name, rows in found.items()}


def forget(connection: Connection, collection: str) -> None:
    """Drop a collection's evidence and documents seen; for a change of what windows are compared with."""
    lock(connection, collection)
    connection.execute(_DROP_ALL, {"collection": collection})
    connection.execute(_UNSEE, {"of": collection})


def keep_streams(connection: Connection, outcome: Outcome) -> Current:
    """Return what is current; make the streams that are new, keep what they are held against."""
    collection = outcome.window.collection
    current = _current(connection, collection)
    streams = current.streams
    named = {e.key: (e.detector, e.signal, *NO_LIMITS) for e in outcome.evidence or ()}
    named |= {r.key: (r.detector, r.signal, *_limits(r)) for r in outcome.readings}
    columns = ("detector", "signal", "effect_floor", "threshold", "harmful")
    new = [
        {"collection": collection, **dict(zip(columns, values, strict=True))}
        for key, values in sorted(named.items())
        if key not in streams
    ]
    if new:
        connection.execute(_new_streams(connection.dialect.name), new)
        current = _current(connection, collection)
        streams = current.streams
    changed = [
        {"stream": streams[r.key].id, **dict(zip(columns[2:], _limits(r), strict=True))}
        for r in outcome.readings
        if streams[r.key].limits != _limits(r)
    ]
    if changed:
        connection.execute(_LIMITS, changed)
    return current


def keep_evidence(connection: Connection, outcome: Outcome, streams: Mapping[str, Stream]) -> None:
    """Replace the collection's evidence; a stream that is no longer carried must not fire for ever."""
    kept = {e.key for e in outcome.evidence or ()}
    gone = [s.id for key, s in streams.items() if s.window_start is not None and key not in kept]
    if gone:
        connection.execute(_DROP, [{"stream": identifier} for identifier in gone])
    if outcome.evidence:
        rows = [
            {
                "stream_id": streams[e.key].id,
                "window_start": outcome.window.start,
                "log_e": float(e.log_e),
                "firing": bool(e.firing),
                "calm": int(e.calm),
            }
            for e in outcome.evidence
        ]
        connection.execute(_new_evidence(connection.dialect.name), rows)


def finite(value: float | None) -> float | None:
    """Return a plain finite float or None: of NaN, one engine makes a number and the other NULL."""
    return None if value is None or not math.isfinite(value) else float(value)


@cache
def _new_streams(dialect: str) -> Executable:
    return insert_for(dialect, StreamRow).on_conflict_do_nothing()


@cache
def _new_evidence(dialect: str) -> Executable:
    statement = insert_for(dialect, EvidenceRow)
    columns = ("window_start", "log_e", "firing", "calm")
    return statement.on_conflict_do_update(
        index_elements=["stream_id"], set_={name: statement.excluded[name] for name in columns}
    )


def _current(connection: Connection, collection: str) -> Current:
    """Return what is current of a collection whose row is held."""
    rows = connection.execute(_STREAMS, {"collection": collection}).all()
    streams = {
        f"{row.detector}.{row.signal}": Stream(
            row.id, (row.effect_floor, row.threshold, row.harmful), row.window_start
        )
        for row in rows
        if row.id is not None
    }
    return Current(streams, rows[0].baseline_id, rows[0].incident_id)


def _limits(r: Reading) -> Limits:
    return finite(r.effect_floor) or 0.0, finite(r.threshold), bool(r.harmful)
