"""What the store knows of collections, as records: the present in a fixed number of queries, and the past."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Engine, Row, ScalarSelect, Select, func, literal, select
from sqlalchemy.orm import aliased

from monitor.records import (
    Cause,
    CollectionStatus,
    Reading,
    Verdict,
    WindowState,
)
from monitor.store.columns import among_collections
from monitor.store.engine import reading
from monitor.store.evidence import read_evidence
from monitor.store.incidents import to_incident
from monitor.store.models import (
    BaselineRow,
    CollectionRow,
    IncidentRow,
    ReadingRow,
    StreamRow,
    WindowRow,
    parked,
    unfinished,
)
from monitor.store.outcomes import STATUSES


def _latest_done() -> ScalarSelect[int]:
    done = aliased(WindowRow)
    return (
        select(done.id)
        .where(done.collection == CollectionRow.collection, done.state == "done")
        .order_by(done.start_at.desc())
        .limit(1)
        .scalar_subquery()
    )


def readings_where(condition: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the readings that a condition chooses, with their streams and limits."""
    limits = (StreamRow.effect_floor, StreamRow.threshold, StreamRow.harmful)
    return (
        select(ReadingRow.__table__, StreamRow.detector, StreamRow.signal, *limits)
        .join(StreamRow, StreamRow.id == ReadingRow.stream_id)
        .where(condition)
        .order_by(StreamRow.detector, StreamRow.signal)
    )


def _readings_of(windows: Select[Any]) -> Select[Any]:
    return readings_where(ReadingRow.window_id.in_(windows))


def _count(condition: ColumnElement[bool]) -> Select[Any]:
    each = (WindowRow.collection, WindowRow.state)
    chosen = among_collections(WindowRow.collection)
    return select(*each).add_columns(func.count().label("number")).where(chosen, condition).group_by(*each)


_WINDOWS = (
    select(WindowRow.__table__)
    .join(CollectionRow, WindowRow.id == _latest_done())
    .where(among_collections(CollectionRow.collection))
)
_READINGS = _readings_of(select(_latest_done()).where(among_collections(CollectionRow.collection)))
_INCIDENTS = select(IncidentRow.__table__).where(
    among_collections(IncidentRow.collection), IncidentRow.resolved_at.is_(None)
)
_BASELINES = select(BaselineRow.collection, BaselineRow.id, BaselineRow.model).where(
    among_collections(BaselineRow.collection), BaselineRow.active
)
# Done windows have a counter of their own: there may be millions.
_COUNTS = (
    select(
        CollectionRow.collection, literal("done").label("state"), CollectionRow.windows_done.label("number")
    ).where(among_collections(CollectionRow.collection)),
    _count(unfinished()),
    _count(parked()),
)


LONGEST = timedelta(days=1)
"""What windows are rolled up to at most."""


class PastWindow(NamedTuple):
    """A done window as reports show it; one that was rolled up reaches over all windows that it stands for."""

    start: datetime
    end: datetime
    baseline_id: int | None
    verdict: Verdict
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class WindowError:
    """A window that failed: parked, or waiting for its next attempt."""

    start: datetime
    end: datetime
    state: WindowState
    attempts: int
    error: str


def load_statuses(engine: Engine, collections: Sequence[str]) -> tuple[CollectionStatus, ...]:
    """Return the present of each named collection, in the given order, also of those that are not known yet.

    ``log_threshold`` is 0.0: it follows from the deployment's budget, which the caller knows and the store
    does not. Incidents are the open ones. Eight queries, whatever the number of collections.
    """
    named = {"collections": collections}
    with reading(engine) as connection:
        windows = {row.collection: row for row in connection.execute(_WINDOWS, named).all()}
        readings = readings_by_window(connection.execute(_READINGS, named).all())
        evidence = read_evidence(connection, collections)
        incidents = {row.collection: to_incident(row) for row in connection.execute(_INCIDENTS, named)}
        baselines = {row.collection: row for row in connection.execute(_BASELINES, named)}
        counts: dict[str, dict[WindowState, int]] = {
            name: {"planned": 0, "running": 0, "done": 0, "parked": 0} for name in collections
        }
        for query in _COUNTS:
            for row in connection.execute(query, named):
                counts[row.collection][row.state] = row.number
    statuses = []
    for name in collections:
        window, baseline = windows.get(name), baselines.get(name)
        measured = () if window is None else readings.get(window.id, ())
        statuses.append(
            CollectionStatus(
                collection=name,
                window_end=None if window is None else window.end_at,
                readings=measured,
                evidence=evidence.get(name, ()),
                verdict=None if window is None else to_verdict(window),
                incidents=(incidents[name],) if name in incidents else (),
                windows=counts[name],
                sample_sizes=_sample_sizes(measured),
                baseline_id=None if baseline is None else baseline.id,
                baseline_model="" if baseline is None else baseline.model,
                log_threshold=0.0,
                window_length=None if window is None else window.end_at - window.start_at,
            )
        )
    return tuple(statuses)


def load_history(
    engine: Engine, collection: str, since: datetime, until: datetime, limit: int = 1000
) -> list[PastWindow]:
    """Return the newest ``limit`` done windows that start in ``[since, until)``, oldest first.

    One that was rolled up and reaches into the span belongs to it, or an hour asked for long after would be empty.
    """
    chosen = (
        select(WindowRow.__table__)
        .where(
            WindowRow.collection == collection,
            WindowRow.state == "done",
            WindowRow.start_at > since - LONGEST,
            WindowRow.end_at > since,
            WindowRow.start_at < until,
        )
        .order_by(WindowRow.start_at.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        windows = connection.execute(chosen).all()
        readings = readings_by_window(
            connection.execute(_readings_of(chosen.with_only_columns(WindowRow.id))).all()
        )
    return [
        PastWindow(w.start_at, w.end_at, w.baseline_id, to_verdict(w), readings.get(w.id, ()))
        for w in reversed(windows)
    ]


def load_errors(engine: Engine, collection: str, limit: int = 100) -> list[WindowError]:
    """Return a collection's newest parked windows and those that wait for another attempt, oldest first."""
    found = []
    with reading(engine) as connection:
        for condition in (parked(), unfinished()):
            query = (
                select(WindowRow.__table__)
                .where(WindowRow.collection == collection, condition, WindowRow.last_error.is_not(None))
                .order_by(WindowRow.start_at.desc())
                .limit(limit)
            )
            found += [
                WindowError(row.start_at, row.end_at, row.state, row.attempts, row.last_error)
                for row in connection.execute(query)
            ]
    return sorted(found, key=lambda e: e.start)[-limit:]


def readings_by_window(rows: Iterable[Row[Any]]) -> Mapping[int, tuple[Reading, ...]]:
    """Return the readings of each window's number."""
    found: dict[int, list[Reading]] = defaultdict(list)
    for row in rows:
        found[row.window_id].append(_reading(row))
    return {key: tuple(readings) for key, readings in found.items()}


def _reading(row: Row[Any]) -> Reading:
    """Return a stored reading; its floor, threshold and harm are the stream's present ones."""
    return Reading(
        detector=row.detector,
        signal=row.signal,
        value=row.value,
        n=row.n,
        status=STATUSES[row.status],
        log_p=row.log_p,
        effect_floor=row.effect_floor,
        effect=row.effect,
        threshold=row.threshold,
        harmful=row.harmful,
        detail=row.detail or {},
    )


def _sample_sizes(readings: Iterable[Reading]) -> Mapping[str, int]:
    """Return per signal how many observations its statistical readings rest on, or else its other ones."""
    statistical: dict[str, int] = {}
    other: dict[str, int] = {}
    for r in readings:
        sizes = other if r.log_p is None else statistical
        sizes[r.signal] = max(r.n, sizes.get(r.signal, 0))
    return {**other, **statistical}


def to_verdict(row: Row[Any]) -> Verdict:
    """Return the verdict that a window's row holds."""
    stored = row.verdict or {}
    return Verdict(
        state=row.verdict_state,
        severity=row.severity,
        causes=tuple(
            Cause(c["name"], c["confidence"], tuple(c.get("because", ()))) for c in stored.get("causes", ())
        ),
        fired=tuple(stored.get("fired", ())),
        problems=tuple(stored.get("problems", ())),
    )
