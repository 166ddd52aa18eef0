"""The per-detector runner: the one place where anything at all is caught."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.protocols import Detector
from monitor.records import Reading


def measure_all(detectors: Sequence[Detector], baseline: Baseline, profile: Profile) -> tuple[Reading, ...]:
    """Return every detector's reading; one that fails yields an ``invalid`` reading and harms no other."""
    return tuple(_measure(detector, baseline, profile) for detector in detectors)


def _measure(detector: Detector, baseline: Baseline, profile: Profile) -> Reading:
    try:
        reading = detector.measure(baseline, profile)
    except Exception as error:  # noqa: BLE001 a third party's detector may raise anything
        return Reading(
            detector.name, detector.signal, 0.0, 0, status="invalid", detail={"error": type(error).__name__}
        )
    return _finite(reading)


def _finite(reading: Reading) -> Reading:
    """Return the reading in plain numbers, or an invalid one where a number is not finite: no NaN leaves the core."""
    numbers = (reading.value, reading.shift, reading.effect_floor, reading.threshold or 0.0)
    log_p = reading.log_p
    if not all(math.isfinite(x) for x in numbers) or (log_p is not None and not log_p <= 1e-9):
        return replace(reading, value=0.0, effect=None, effect_floor=0.0, log_p=None, status="invalid")
    # NumPy's scalars are no JSON and no SQL.
    return replace(
        reading,
        value=float(reading.value),
        effect=None if reading.effect is None else float(reading.effect),
        log_p=None if log_p is None else min(0.0, float(log_p)),
    )
