"""The recording rules, and the names that alerts know them by."""

from __future__ import annotations

from deploy.mixin.values import Group, record

_INCIDENT = record("driftmon_incident_active", "collection_severity_cause")
_FIRING = record("driftmon_evidence_firing", "collection_detector_signal")
_EFFECT = record("driftmon_reading_effect", "collection_detector_signal")
_VERDICT = record("driftmon_verdict", "collection_state")
_WINDOWS = record("driftmon_windows_total", "collection_state")
_END = record("driftmon_window_end_timestamp_seconds", "collection")
_LENGTH = record("driftmon_window_length_seconds", "collection")
# The freshest replica counts: another one may hold an older snapshot for a moment.
_LAG = record("driftmon_window_lag_seconds", "collection", "min")
_DEAD = record("driftmon_outbox_dead", "notifier")
_OLDEST = record("driftmon_outbox_oldest_age_seconds", "notifier")

INCIDENT, FIRING, EFFECT = _INCIDENT.name, _FIRING.name, _EFFECT.name
VERDICT, WINDOWS = _VERDICT.name, _WINDOWS.name
END, LENGTH, LAG = _END.name, _LENGTH.name, _LAG.name
DEAD, OLDEST = _DEAD.name, _OLDEST.name

RECORDING = Group(
    "driftmon.recording",
    (_INCIDENT, _FIRING, _EFFECT, _VERDICT, _WINDOWS, _END, _LENGTH, _LAG, _DEAD, _OLDEST),
)
