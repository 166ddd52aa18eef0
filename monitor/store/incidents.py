"""Incidents: a run of windows in drift, opened, updated and resolved by the commits that find it so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from monitor.records import Cause, Incident, Reading, Severity, Verdict, Window
from monitor.store.columns import clock
from monitor.store.engine import insert_row
from monitor.store.evidence import finite
from monitor.store.models import IncidentRow, OutboxRow

Kind = Literal["opened", "updated", "resolved"]
_OPEN = select(
    IncidentRow.id,
    IncidentRow.opened_at,
    IncidentRow.severity,
    IncidentRow.cause,
    IncidentRow.confidence,
    IncidentRow.fired,
    IncidentRow.backfill,
    IncidentRow.announced_at,
).where(IncidentRow.id == bindparam("incident"))
RANK: dict[Severity, int] = {"none": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, slots=True)
class Standing:
    """What an incident says at a moment.

    ``untold`` marks a change found in a window made up late, of which people have not heard; ``announced``
    that they have heard of the incident at all.
    """

    severity: Severity
    cause: str
    confidence: float
    fired: tuple[str, ...]
    untold: bool = False
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """How a window changes an incident, and what people are to be told about it, if anything."""

    kind: Kind
    standing: Standing
    tell: Kind | None


def decide(before: Standing | None, verdict: Verdict, *, firing: bool, backfill: bool) -> Transition | None:
    """Return what a window does to the collection's open incident ``before``, or None for nothing.

    Severity only rises; the cause is the newest of the most confident; only a quiet window after which no
    stream fires resolves. A backfilled window never tells of an opening or an update: the next window in time
    does that when the drift still stands. A resolution is told whenever the incident was, or an alert would
    stay open for ever.
    """
    if verdict.state == "drift":
        if before is None:
            opened = _standing(verdict, untold=backfill, announced=not backfill)
            return Transition("opened", opened, None if backfill else "opened")
        return _update(before, verdict, backfill=backfill)
    if verdict.state == "quiet" and before is not None and not firing:
        return Transition("resolved", before, "resolved" if before.announced else None)
    return None


def _update(before: Standing, verdict: Verdict, *, backfill: bool) -> Transition | None:
    new = _standing(verdict)
    severity = max(before.severity, new.severity, key=RANK.__getitem__)
    surer = new if new.confidence >= before.confidence else before
    after = Standing(
        severity,
        surer.cause,
        surer.confidence,
        new.fired,
        untold=backfill,
        announced=before.announced or not backfill,
    )
    changed = (after.severity, after.cause, set(after.fired)) != (
        before.severity,
        before.cause,
        set(before.fired),
    )
    if backfill:
        # What was already untold stays so; an incident that did not change keeps nothing back.
        return Transition("updated", after, None) if changed else None
    if not changed and not before.untold:
        return None
    return Transition("updated", after, "updated" if before.announced else "opened")


def _standing(verdict: Verdict, *, untold: bool = False, announced: bool = False) -> Standing:
    cause = verdict.causes[0] if verdict.causes else Cause("none", 0.0)
    return Standing(verdict.severity, cause.name, cause.confidence, verdict.fired, untold, announced)


def record(
    connection: Connection,
    open_id: int | None,
    window: Window,
    window_id: int,
    verdict: Verdict,
    readings: Iterable[Reading],
    *,
    firing: bool,
    backfill: bool,
) -> None:
    """Apply a window's verdict to its collection's incident and put what is to be told into the outbox.

    ``open_id`` is the open incident of the collection, which is held; ``readings`` are the window's: those of them
    that fired are told.
    """
    row = None if open_id is None else connection.execute(_OPEN, {"incident": open_id}).one()
    before = None if row is None else _stored(cast("Row[Any]", row))
    transition = decide(before, verdict, firing=firing, backfill=backfill)
    if transition is None:
        return
    after = transition.standing
    values: dict[str, Any] = {
        "updated_at": window.end,
        "severity": after.severity,
        "cause": after.cause,
        "confidence": after.confidence,
        "fired": list(after.fired),
        "backfill": after.untold,
    }
    if after.announced and not (before and before.announced):
        values["announced_at"] = clock()
    if transition.kind == "resolved":
        values = {"updated_at": window.end, "resolved_at": window.end}
    if row is None:
        opened_at = window.end
        values |= {"collection": window.collection, "opened_at": opened_at, "opened_window": window_id}
        key = insert_row(connection, IncidentRow, values)
    else:
        key, opened_at = row.id, row.opened_at
        connection.execute(update(IncidentRow).where(IncidentRow.id == key).values(**values))
    if transition.tell is not None:
        resolved_at = window.end if transition.kind == "resolved" else None
        told = Incident(
            key,
            window.collection,
            opened_at,
            window.end,
            resolved_at,
            after.severity,
            after.cause,
            after.fired,
        )
        decided = [_decided(r) for r in readings if r.key in after.fired and r.status == "ok"]
        connection.execute(
            insert(OutboxRow).values(
                incident_id=key,
                kind=transition.tell,
                payload=_payload(transition.tell, told, verdict, window)
                | {"confidence": after.confidence, "readings": decided},
                created_at=clock(),
                next_attempt_at=clock(),
            )
        )


def to_incident(row: Row[Any]) -> Incident:
    """Return a row of the incidents as the record."""
    return Incident(
        id=row.id,
        collection=row.collection,
        opened_at=row.opened_at,
        updated_at=row.updated_at,
        resolved_at=row.resolved_at,
        severity=row.severity,
        cause=row.cause,
        fired=tuple(row.fired or ()),
    )


def _stored(row: Row[Any]) -> Standing:
    return Standing(
        row.severity,
        row.cause,
        row.confidence,
        tuple(row.fired or ()),
        untold=row.backfill,
        announced=row.announced_at is not None,
    )


def _decided(reading: Reading) -> dict[str, Any]:
    """Return a reading's numbers; its detail stays behind, for it may hold words of a log."""
    return {
        "detector": reading.detector,
        "signal": reading.signal,
        "value": finite(reading.value) or 0.0,
        "n": int(reading.n),
        "log_p": finite(reading.log_p),
        "effect": finite(reading.effect),
        "effect_floor": finite(reading.effect_floor) or 0.0,
        "threshold": finite(reading.threshold),
    }


def _payload(kind: Kind, incident: Incident, verdict: Verdict, window: Window) -> dict[str, Any]:
    """Return what is told, complete in itself: whoever delivers it later asks nothing more."""
    return {
        "kind": kind,
        "incident": incident.id,
        "collection": incident.collection,
        "severity": incident.severity,
        "cause": incident.cause,
        "causes": [asdict(cause) for cause in verdict.causes],
        "fired": incident.fired,
        "opened_at": incident.opened_at.isoformat(),
        "updated_at": incident.updated_at.isoformat(),
        "resolved_at": incident.resolved_at and incident.resolved_at.isoformat(),
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
    }
