"""The per-detector runner: the one place where anything at all is caught."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.protocols import Detector
from monitor.records import Reading

_LEAST_LOG_P = -1e6
"""An infinite log p-value becomes this: evidence is as certain, and the store and the metrics have a number."""


def measure_all(detectors: Sequence[Detector], baseline: Baseline, profile: Profile) -> tuple[Reading, ...]:
    """Return every detector's reading; one that fails yields an ``invalid`` reading and harms no other."""
    return tuple(_measure(detector, baseline, profile) for detector in detectors)


def _measure(detector: Detector, baseline: Baseline, profile: Profile) -> Reading:
    try:
        return _plain(detector.measure(baseline, profile))
    except Exception as error:  # noqa: BLE001 a third party's detector may raise, or return, anything
        return Reading(
            detector.name, detector.signal, 0.0, 0, status="invalid", detail={"error": type(error).__name__}
        )


def _plain(reading: Reading) -> Reading:
    """Return the reading in plain numbers, or an invalid one where a number is not finite: no NaN leaves the core.

    NumPy's scalars are no JSON and no SQL. A detail that is not finite is left out; it decides nothing.
    """
    log_p = reading.log_p
    deciding = (reading.value, reading.shift, reading.effect_floor, reading.threshold or 0.0)
    sound = all(math.isfinite(x) for x in deciding) and (log_p is None or log_p <= 1e-9)
    detail = {
        name: figure if isinstance(figure, str) else float(figure)
        for name, figure in reading.detail.items()
        if isinstance(figure, str) or math.isfinite(figure)
    }
    return replace(
        reading,
        n=int(reading.n),
        status=reading.status if sound else "invalid",
        value=float(reading.value) if sound else 0.0,
        effect=float(reading.effect) if sound and reading.effect is not None else None,
        effect_floor=float(reading.effect_floor) if sound else 0.0,
        threshold=float(reading.threshold) if sound and reading.threshold is not None else None,
        log_p=min(0.0, max(_LEAST_LOG_P, float(log_p))) if sound and log_p is not None else None,
        statistic=_finite(reading.statistic),
        dof=_finite(reading.dof),
        detail=detail,
    )


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)
