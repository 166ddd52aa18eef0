"""What a deployment's windows have come to, read from its database, and where it differs from an undisturbed run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from monitor.judge.spans import base_key
from monitor.store import Store
from monitor.store.engine import reading

READINGS = """
SELECT w.collection, w.start_at, s.detector, s.signal, r.n, r.value, r.log_p, r.effect, r.status
FROM readings r JOIN windows w ON w.id = r.window_id JOIN streams s ON s.id = r.stream_id
"""
EVIDENCE = """
SELECT s.collection, s.detector, s.signal, e.window_start, e.log_e, e.firing, e.calm
FROM evidence e JOIN streams s ON s.id = e.stream_id
"""
INCIDENTS = "SELECT collection, opened_at, resolved_at, severity, announced_at IS NULL FROM incidents"
WINDOWS = "SELECT collection, start_at, end_at, state, worker, verdict_state FROM windows"


@dataclass
class Worked:
    """One collection: its windows (start -> worker, state, verdict), their readings, its evidence and incidents."""

    windows: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    readings: dict[str, dict[str, tuple[Any, ...]]] = field(default_factory=dict)
    evidence: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    incidents: list[tuple[Any, ...]] = field(default_factory=list)
    rows: int = 0
    """Rows of the ledger; as many as windows, or one was planned twice."""

    @property
    def done(self) -> int:
        """How many windows are done."""
        return sum(state == "done" for _, state, _ in self.windows.values())


def read_worked(url: str, names: Sequence[str], end: datetime) -> dict[str, Worked]:
    """Return what each collection has come to in windows up to ``end``."""
    found = {name: Worked() for name in names}
    with closing(Store.open(url)) as store, reading(store.engine) as connection:
        rows = {q: connection.execute(text(q)).all() for q in (WINDOWS, READINGS, EVIDENCE, INCIDENTS)}
    for name, start, until, state, worker, verdict in rows[WINDOWS]:
        if name in found and _moment(until) <= end:
            found[name].windows[_moment(start).isoformat()] = (worker, state, verdict)
            found[name].rows += 1
    for name, start, detector, signal, *values in rows[READINGS]:
        if name in found:
            each = found[name].readings.setdefault(_moment(start).isoformat(), {})
            each[f"{detector}.{signal}"] = tuple(values)
    for name, detector, signal, start, *values in rows[EVIDENCE]:
        # What spans add up to follows from when they are measured, which a release may change.
        if name in found and base_key(key := f"{detector}.{signal}") == key:
            found[name].evidence[key] = (_moment(start).isoformat(), *(float(v) for v in values))
    for name, opened, resolved, *values in rows[INCIDENTS]:
        if name in found:
            resolution = None if resolved is None else _moment(resolved).isoformat()
            found[name].incidents.append(
                (_moment(opened).isoformat(), resolution, values[0], bool(values[1]))
            )
    return found


@dataclass(frozen=True, slots=True)
class Differences:
    """What is not as in an undisturbed run."""

    lost: int = 0
    double: int = 0
    readings: int = 0
    """Windows whose readings are not those that the same release made of the same log when nothing happened."""
    compared: int = 0
    """Streams to whose evidence both releases come undisturbed: only these must end as they did."""
    streams: int = 0
    incidents: int = 0
    """Incidents that opened or ended when neither release alone would have had it so."""

    def __add__(self, other: Differences) -> Differences:
        return Differences(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))


def differences(
    found: Worked, undisturbed: Mapping[str, Worked], release_of: Mapping[str, str], wanted: int
) -> Differences:
    """Return how a collection differs from what each release made of it undisturbed."""
    readings = sum(
        found.readings.get(start) != undisturbed[release_of.get(worker, "N")].readings.get(start)
        for start, (worker, state, _) in found.windows.items()
        if state == "done"
    )
    before, now = undisturbed["N-1"], undisturbed["N"]
    # Where a release measures otherwise than the one before, what adds up depends on who worked which window.
    alike = [key for key, evidence in now.evidence.items() if before.evidence.get(key) == evidence]
    streams = sum(found.evidence.get(key) != now.evidence[key] for key in alike)
    streams += len(found.evidence.keys() - now.evidence.keys() - before.evidence.keys())
    incidents = min(_unlike(found.incidents, each.incidents) for each in (before, now))
    return Differences(
        wanted - found.done, found.rows - len(found.windows), readings, len(alike), streams, incidents
    )


def _unlike(found: Sequence[tuple[Any, ...]], wanted: Sequence[tuple[Any, ...]]) -> int:
    pairs = zip(sorted(found, key=str), sorted(wanted, key=str), strict=False)
    return abs(len(found) - len(wanted)) + sum(a[:2] != b[:2] for a, b in pairs)


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    plain: datetime = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return plain
