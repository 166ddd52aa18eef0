"""A snapshot in plain JSON values: what the status page, its API and scripts read."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from monitor import __version__
from monitor.segments import parent_of

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.records import CollectionStatus, Evidence, Incident, Reading, Snapshot

STALE_AFTER_WINDOWS = 3
"""A collection is stale when its last window ended more than this many window lengths ago."""


def summarize(snapshot: Snapshot | None) -> dict[str, Any]:
    """Return a snapshot as JSON values, none of them NaN; without one, an empty list and no time."""
    return {
        "version": __version__,
        "at": None if snapshot is None else _time(snapshot.at),
        "config_ok": None if snapshot is None else snapshot.config_ok,
        "collections": []
        if snapshot is None
        else [_collection(c, snapshot.at) for c in snapshot.collections],
    }


def _collection(status: CollectionStatus, at: datetime) -> dict[str, Any]:
    verdict = status.verdict
    lag = None if status.window_end is None else max(0.0, (at - status.window_end).total_seconds())
    length = None if status.window_length is None else status.window_length.total_seconds()
    return {
        "collection": status.collection,
        "segment_of": parent_of(status.collection),
        "state": None if verdict is None else verdict.state,
        "severity": "none" if verdict is None else verdict.severity,
        "cause": "none" if verdict is None else verdict.cause,
        "causes": [] if verdict is None else [asdict(cause) for cause in verdict.causes],
        "fired": [] if verdict is None else list(verdict.fired),
        "problems": _problems(status),
        "window_end": _time(status.window_end),
        "window_seconds": length,
        "lag_seconds": lag,
        "stale": None if lag is None or not length else lag > STALE_AFTER_WINDOWS * length,
        "baseline": None if status.baseline_id is None else _baseline(status),
        "windows": dict(status.windows),
        "sample_sizes": dict(status.sample_sizes),
        "readings": [_reading(reading) for reading in status.readings],
        "evidence": [_evidence(evidence) for evidence in status.evidence],
        "evidence_threshold_log10": _log10(status.log_threshold),
        "incidents": [_incident(incident) for incident in status.incidents],
    }


def _problems(status: CollectionStatus) -> list[str]:
    said = [] if status.verdict is None else list(status.verdict.problems)
    if status.baseline_id is None:
        said.insert(0, f"no baseline: run `driftmon baseline build {status.collection}`")
    return said


def _baseline(status: CollectionStatus) -> dict[str, Any]:
    return {"id": status.baseline_id, "model": status.baseline_model}


def _reading(reading: Reading) -> dict[str, Any]:
    ok = reading.status == "ok"
    return {
        "detector": reading.detector,
        "signal": reading.signal,
        "status": reading.status,
        "value": _number(reading.value) if ok else None,
        "effect": _number(reading.shift) if ok else None,
        "threshold": _number(reading.threshold),
        "effect_floor": _number(reading.effect_floor),
        "p_value": None if not ok or reading.log_p is None or reading.log_p > 0 else _number(reading.p_value),
        "n": reading.n,
        "detail": {k: _number(v) if isinstance(v, float) else v for k, v in reading.detail.items()},
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "detector": evidence.detector,
        "signal": evidence.signal,
        "log10": _log10(evidence.log_e),
        "firing": evidence.firing,
    }


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "severity": incident.severity,
        "cause": incident.cause,
        "fired": list(incident.fired),
        "opened_at": _time(incident.opened_at),
        "updated_at": _time(incident.updated_at),
        "resolved_at": _time(incident.resolved_at),
    }


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _log10(natural: float) -> float | None:
    return _number(natural / math.log(10))


def _number(value: float | None) -> float | None:
    """JSON knows neither NaN nor infinity: they become null."""
    return float(value) if value is not None and math.isfinite(value) else None
