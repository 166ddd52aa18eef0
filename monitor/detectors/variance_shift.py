"""Do the questions spread as they did, whatever their centre?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.baseline.law import noise_factor
from monitor.baseline.whitening import Whitening
from monitor.detectors.lacking import insufficient
from monitor.detectors.squared_shift import judge_shift
from monitor.profile import Profile
from monitor.records import Reading


@dataclass(frozen=True, slots=True)
class VarianceShift:
    """Root mean square change of the spread over the baseline's own directions, each in units of its own.

    Parameters
    ----------
    effect_floor : float
        The least change that counts (0.02: two per cent of the spread, in every direction).
    least : int
        Fewer vectors than this are ``insufficient``.

    Notes
    -----
    With the absolute whitened coordinates s of the window (M vectors) and of the baseline's counting half (N),
    ``T = |mean_w s - mean_b s|^2`` is by chance ``sum_i w_i Z_i^2 (1/N + 1/M)``, w the spectrum of the covariance of s.
    Shown is ``sqrt(max(0, T - noise)) / |mean_b s|``. It sees noise that is added (quantised vectors, a lossy pipe),
    questions that huddle in the middle or at the ends, and a turn of the space: none of them moves the mean by much.

    Examples
    --------
    >>> VarianceShift().key
    'variance_shift.queries'
    """

    name: ClassVar[str] = "variance_shift"
    signal: ClassVar[str] = "queries"
    features: ClassVar[tuple[Whitening, ...]] = (Whitening(),)
    effect_floor: float = 0.02
    least: int = 100

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < math.inf:
            raise ValueError(f"effect_floor must be finite and not negative, not {self.effect_floor}")
        if self.least < 2:
            raise ValueError(f"least must be at least 2, not {self.least}")

    @property
    def key(self) -> str:
        """The stream's name."""
        return f"{self.name}.{self.signal}"

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's profile."""
        whitening = baseline.features.get("whitening")
        n, sizes = profile.count("whitening.n"), profile.sums.get("whitening.sizes")
        before = 0 if whitening is None else whitening.tally.count("whitening.n")
        if whitening is None or sizes is None or min(n, before) < self.least:
            return insufficient(self, n, "whitening", lacking=whitening is None, floor=self.effect_floor)
        typical = whitening.tally.sums["whitening.sizes"] / before
        delta = sizes / n - typical
        noise = 1.0 / before + 1.0 / n
        weights = whitening.parameters["sizes"]
        squared = float(delta @ delta)
        dispersion = baseline.dispersion.get(self.key)
        judged = judge_shift(squared / noise, weights, dispersion)
        beyond = max(0.0, squared - noise_factor(dispersion) * noise * float(weights.sum()))
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=math.sqrt(beyond / max(1e-300, float(typical @ typical))),
            n=n,
            log_p=judged.log_p,
            statistic=judged.statistic,
            dof=judged.dof,
            effect_floor=self.effect_floor,
            detail={
                "mean_change": float(delta.sum() / max(1e-300, typical.sum())),
                "directions": float(len(delta)),
            },
        )
