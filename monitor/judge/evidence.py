"""Evidence: what time has added up to, per stream, under one budget of false alarms for the deployment."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor.records import Evidence, Reading
from monitor.stats.e_values import accumulate, log_e_value, log_threshold

CALM_WINDOWS = 3
"""Quiet windows in a row that resolve a firing stream (hysteresis)."""
CALM_LOG_P = math.log(0.05)


@dataclass(frozen=True, slots=True)
class Budget:
    """How many false pages the whole deployment may raise in a period."""

    false_pages: float = 1.0
    per: timedelta = timedelta(days=90)

    def __post_init__(self) -> None:
        if not 0 < self.false_pages < math.inf:
            raise ValueError(f"false_pages must be above 0 and finite, not {self.false_pages}")
        if self.per <= timedelta(0):
            raise ValueError(f"per must be a positive duration, not {self.per}")

    def log_threshold(self, window: timedelta, streams: float) -> float:
        """Return the log evidence at which a stream fires, when ``streams`` of this window length share the budget."""
        return log_threshold(self.false_pages, self.per / window, streams)


def update_evidence(
    before: Sequence[Evidence],
    readings: Sequence[Reading],
    threshold: float,
    idle: Collection[str] = (),
) -> tuple[Evidence, ...]:
    """Return the evidence after one window, one entry per stream that it measured and per ``idle`` one as it was.

    A stream fires when its evidence reaches the threshold and the window's effect its floor; a deterministic
    probe fires when its effect reaches the probe's own threshold. A stream without a usable reading keeps its
    state. After ``CALM_WINDOWS`` calm windows a firing stream resolves and starts from nothing. When the last
    firing stream resolves, every stream starts anew: what they gathered meanwhile belongs to the incident
    that is over. ``idle`` are the keys of streams that are not due in this window.
    """
    # A detector that was switched off leaves no stream behind that would fire for ever.
    measured = {reading.key for reading in readings}
    states = {e.key: e for e in before if e.key in measured or e.key in idle}
    for reading in readings:
        state = states.get(reading.key, Evidence(reading.detector, reading.signal))
        if reading.status != "ok":
            states[reading.key] = state
        elif reading.log_p is not None:
            states[reading.key] = _update_statistical(state, reading, threshold)
        elif reading.threshold is not None:
            states[reading.key] = _update_probe(state, reading)
    if any(e.firing for e in before) and not any(e.firing for e in states.values()):
        states = {key: Evidence(e.detector, e.signal) for key, e in states.items()}
    return tuple(states[key] for key in sorted(states))


def _update_statistical(state: Evidence, reading: Reading, threshold: float) -> Evidence:
    log_p = reading.log_p if reading.log_p is not None else 0.0
    # A p-value that stands alone needs no calibrator: P(1/p >= A) is at most 1/A in every window.
    log_e = -log_p if reading.alone else accumulate(state.log_e, log_e_value(log_p))
    above = reading.shift >= reading.effect_floor
    if not state.firing:
        return Evidence(state.detector, state.signal, log_e, firing=log_e >= threshold and above)
    calm = state.calm + 1 if log_p > CALM_LOG_P or not above else 0
    if calm >= CALM_WINDOWS:
        return Evidence(state.detector, state.signal)
    return Evidence(state.detector, state.signal, log_e, firing=True, calm=calm)


def _update_probe(state: Evidence, reading: Reading) -> Evidence:
    limit = reading.threshold if reading.threshold is not None else math.inf
    if reading.shift >= limit:
        return Evidence(state.detector, state.signal, 0.0, firing=True)
    calm = state.calm + 1
    firing = state.firing and calm < CALM_WINDOWS
    return Evidence(
        state.detector, state.signal, 0.0 if firing else -math.inf, firing=firing, calm=calm if firing else 0
    )
