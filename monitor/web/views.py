"""What the pages of a collection and of an incident show, as plain JSON values."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

from monitor.records import BaselineInfo, Event, Incident, Reading, Silence, Verdict

MOST_POINTS = 240
"""Points of a chart: more cannot be told apart on a screen."""
MOST_ROWS = 40
"""Windows in the table; the newest."""
GAP = 4.0
"""Usual distances between two points: what is further apart is a gap."""
LN_10 = math.log(10)


class PastWindow(Protocol):
    """A done window, as the store has it."""

    @property
    def start(self) -> datetime:
        """Its first moment."""

    @property
    def end(self) -> datetime:
        """Its end."""

    @property
    def baseline_id(self) -> int | None:
        """What judged it."""

    @property
    def verdict(self) -> Verdict:
        """How it was judged."""

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What was measured."""


class PastIncident(Protocol):
    """An incident with what is kept beside it."""

    @property
    def incident(self) -> Incident:
        """The incident itself."""

    @property
    def confidence(self) -> float:
        """How sure its cause is."""

    @property
    def announced_at(self) -> datetime | None:
        """When people first heard of it."""

    @property
    def acknowledged_at(self) -> datetime | None:
        """When somebody took it up."""

    @property
    def acknowledged_by(self) -> str:
        """Who did."""

    @property
    def first_window(self) -> datetime | None:
        """Start of its first window."""


def collection_view(
    row: Mapping[str, Any],
    windows: Sequence[PastWindow],
    baselines: Iterable[BaselineInfo],
    incidents: Sequence[PastIncident],
    events: Iterable[Event],
    silences: Iterable[Silence],
    *,
    since: datetime,
    now: datetime,
    offers: Sequence[str] = (),
    history: bool = True,
) -> dict[str, Any]:
    """Return a collection's page; ``row`` is what :func:`monitor.web.status.summarize` says of it.

    ``offers`` are commands for a new baseline after a planned change; ``history`` False marks that only the last
    snapshot could be had.
    """
    shown_incidents = [incident_view(each) for each in incidents]
    shown_events = [event_view(each) for each in events]
    shown_baselines = [baseline_view(each) for each in baselines]
    return {
        **row,
        "history": history,
        "since": since.isoformat(),
        "until": now.isoformat(),
        "windows_seen": len(windows),
        "windows_drawn": min(MOST_POINTS, sum(bool(w.readings) for w in windows)),
        "past": [_window(w) for w in reversed(windows[-MOST_ROWS:])],
        "streams": _streams(windows, row["evidence"]),
        "past_incidents": shown_incidents,
        "baselines": shown_baselines,
        "events": shown_events,
        "silences": [silence_view(each, now) for each in silences],
        "offers": list(offers),
        "marks": {
            "incidents": [
                {
                    "id": i["id"],
                    "from": _ms(i["first_window"] or i["opened_at"]),
                    "to": _ms(i["resolved_at"] or now.isoformat()),
                    "severity": i["severity"],
                    "cause": i["cause"],
                }
                for i in shown_incidents
            ],
            # In the time of the windows, as everything else here: where its quiet history ends.
            "baselines": [{"id": b["id"], "at": _ms(b["end"])} for b in shown_baselines],
            "events": [{"at": _ms(e["at"]), "kind": e["kind"], "title": e["title"]} for e in shown_events],
        },
    }


def incident_view(past: PastIncident) -> dict[str, Any]:
    """Return an incident in plain values."""
    incident = past.incident
    return {
        "id": incident.id,
        "collection": incident.collection,
        "severity": incident.severity,
        "cause": incident.cause,
        "confidence": past.confidence,
        "fired": list(incident.fired),
        "opened_at": incident.opened_at.isoformat(),
        "updated_at": incident.updated_at.isoformat(),
        "resolved_at": _iso(incident.resolved_at),
        "first_window": _iso(past.first_window),
        "announced_at": _iso(past.announced_at),
        "acknowledged_at": _iso(past.acknowledged_at),
        "acknowledged_by": past.acknowledged_by,
    }


def event_view(event: Event) -> dict[str, Any]:
    """Return an event in plain values."""
    return {
        "key": event.key,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "title": event.title,
        "collection": event.collection,
        "planned": event.planned,
        "grace_until": _iso(event.grace_until),
        "url": event.url,
        "recorded_by": event.recorded_by,
    }


def baseline_view(info: BaselineInfo) -> dict[str, Any]:
    """Return a baseline's facts in plain values."""
    return {
        "id": info.id,
        "created_at": info.created_at.isoformat(),
        "created_by": info.created_by,
        "reason": info.reason,
        "start": info.start.isoformat(),
        "end": info.end.isoformat(),
        "active": info.active,
        "model": info.model,
        "records": info.meta.get("records"),
    }


def silence_view(silence: Silence, now: datetime) -> dict[str, Any]:
    """Return a silence in plain values, and whether it holds now."""
    return {
        "id": silence.id,
        "collection": silence.collection,
        "cause": silence.cause,
        "starts_at": silence.starts_at.isoformat(),
        "ends_at": silence.ends_at.isoformat(),
        "created_by": silence.created_by,
        "reason": silence.reason,
        "holds": silence.starts_at <= now < silence.ends_at,
    }


def _window(window: PastWindow) -> dict[str, Any]:
    verdict = window.verdict
    return {
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "state": verdict.state,
        "severity": verdict.severity,
        "cause": verdict.cause,
        "fired": list(verdict.fired),
        "baseline": window.baseline_id,
    }


def _streams(windows: Sequence[PastWindow], evidence: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return every stream's readings in time, those that fire first, then those that have fired.

    Of a long past only some windows have readings; the others are no gaps.
    """
    windows = [w for w in windows if w.readings]
    measured: dict[str, dict[datetime, Reading]] = defaultdict(dict)
    for window in windows:
        for reading in window.readings:
            measured[reading.key][window.start] = reading
    state = {f"{e['detector']}.{e['signal']}": e for e in evidence}
    made = [_stream(key, windows, readings, state.get(key)) for key, readings in measured.items()]
    return sorted(made, key=lambda s: (not s["firing"], not s["fired"], s["key"]))


def _stream(
    key: str,
    windows: Sequence[PastWindow],
    readings: Mapping[datetime, Reading],
    evidence: Mapping[str, Any] | None,
) -> dict[str, Any]:
    points = [_point(w, readings.get(w.start), key) for w in windows]
    newest = readings[max(readings)]
    return {
        "key": key,
        "detector": newest.detector,
        "signal": newest.signal,
        "limit": _limit(newest),
        "firing": bool(evidence and evidence["firing"]),
        "evidence_log10": None if evidence is None else evidence["log10"],
        "fired": sum(p["fired"] for p in points),
        "points": _with_gaps(_thin(points)),
    }


def _point(window: PastWindow, reading: Reading | None, key: str) -> dict[str, Any]:
    ok = reading is not None and reading.status == "ok" and math.isfinite(reading.value)
    log_p = reading.log_p if ok and reading is not None else None
    return {
        "at": window.end.timestamp() * 1000,
        "value": reading.value if ok and reading is not None else None,
        "n": 0 if reading is None else reading.n,
        "depth": None if log_p is None or not math.isfinite(log_p) else max(0.0, -log_p / LN_10),
        "fired": ok and key in window.verdict.fired,
    }


def _limit(reading: Reading) -> float | None:
    """Return where the limit stands on the scale of the values, or None where it is on another one."""
    limit = reading.effect_floor if reading.threshold is None else reading.threshold
    if not limit and reading.threshold is None:
        return None
    if reading.effect is None:
        return limit
    baseline = reading.detail.get("baseline")
    if isinstance(baseline, float) and math.isclose(baseline - reading.value, reading.effect, abs_tol=1e-6):
        return baseline - limit  # a loss: the recall that is left
    return None


def _thin(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return at most `MOST_POINTS`: of each stretch the window that fired, or stands out most from its mean."""
    if len(points) <= MOST_POINTS:
        return points
    kept = []
    for i in range(MOST_POINTS):
        stretch = points[i * len(points) // MOST_POINTS : (i + 1) * len(points) // MOST_POINTS]
        real = [p for p in stretch if p["value"] is not None] or stretch[-1:]
        mean = math.fsum(p["value"] or 0.0 for p in real) / len(real)
        kept.append(max(real, key=partial(_stands_out, mean)))
    return kept


def _with_gaps(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the points with an empty one wherever windows are missing: no line leads over what nobody looked at."""
    if len(points) < 3:
        return points
    steps = sorted(b["at"] - a["at"] for a, b in pairwise(points))
    usual = steps[len(steps) // 2]
    spaced = points[:1]
    for before, point in pairwise(points):
        if point["at"] - before["at"] > GAP * usual:
            at = before["at"] + usual
            spaced.append({"at": at, "value": None, "n": 0, "depth": None, "fired": False})
        spaced.append(point)
    return spaced


def _stands_out(mean: float, point: Mapping[str, Any]) -> tuple[bool, float]:
    return point["fired"], abs((point["value"] or 0.0) - mean)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000
