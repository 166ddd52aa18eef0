"""The reading of a detector that has too little to go by, and why."""

from __future__ import annotations

from monitor.protocols import Detector
from monitor.records import Reading


def insufficient(
    detector: Detector, n: int, feature: str, *, lacking: bool, floor: float = 0.0, harmful: bool = False
) -> Reading:
    """Return the ``insufficient`` reading of ``detector``; ``lacking`` says that the baseline has not its feature.

    Examples
    --------
    >>> from monitor.detectors.norm_shift import NormShift
    >>> insufficient(NormShift(), 1000, "norms", lacking=True).detail["reason"]
    'the baseline has no norms: run `driftmon baseline build`'
    """
    reason = f"the baseline has no {feature}: run `driftmon baseline build`" if lacking else ""
    return Reading(
        detector.name,
        detector.signal,
        0.0,
        n,
        status="insufficient",
        effect_floor=floor,
        harmful=harmful,
        detail={"reason": reason} if reason else {},
    )
