"""Has the distribution of retrieval scores moved?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from monitor.baseline.frozen import Baseline
from monitor.baseline.law import dispersed_log_p, noise_factor
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.histogram import psi
from monitor.stats.null_laws import likelihood_ratio_two_samples


@dataclass(frozen=True, slots=True)
class ScorePSI:
    """Population stability index of one score per query over the baseline's deciles.

    Parameters
    ----------
    column : {"top1", "mean", "margin"}
        The best score, the mean of the answer, or the distance of the first from the second.
    effect_floor : float
        The least index beyond noise that counts; from 0.2 on the usual reading of the index calls a shift significant.
    least : int
        Fewer scored queries than this are ``insufficient``.

    Notes
    -----
    ``PSI = sum (w - b) ln(w / b)`` over B bins with Jeffreys smoothing. Under no drift ``PSI / (1/N + 1/M)`` is about
    ``chi2(B - 1)`` (Yurdakul and Naranjo 2020), so the folklore limit of 0.1 means nothing without N and M: at
    N = M = 100 a quiet window exceeds it 77% of the time. That law is one of large windows; what decides is the
    likelihood ratio of the same bins, which follows it from a hundred queries on (decision 0018). One value per
    query: the k scores of one query are one observation.

    Examples
    --------
    >>> ScorePSI("margin").key
    'score_psi.scores_margin'
    """

    name: ClassVar[str] = "score_psi"
    column: Literal["top1", "mean", "margin"] = "top1"
    effect_floor: float = 0.2
    least: int = 30

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < math.inf:
            raise ValueError(f"effect_floor must be finite and not negative, not {self.effect_floor}")
        if self.least < 10:
            raise ValueError(f"least must be at least 10 (one per bin), not {self.least}")

    @property
    def signal(self) -> str:
        """``scores`` for the top score; the others are streams of their own."""
        return "scores" if self.column == "top1" else f"scores_{self.column}"

    @property
    def key(self) -> str:
        """The stream's name."""
        return f"{self.name}.{self.signal}"

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's profile."""
        reference = baseline.score_counts.get(self.column)
        window = profile.counts.get(f"scores.{self.column}")
        n = 0 if window is None else int(window.sum())
        if (
            reference is None
            or window is None
            or n < self.least
            or len(reference) < 2
            or reference.sum() < self.least
        ):
            return Reading(
                self.name, self.signal, 0.0, n, status="insufficient", effect_floor=self.effect_floor
            )
        index = psi(window, reference)
        noise = 1.0 / float(reference.sum()) + 1.0 / n
        dispersion = baseline.dispersion.get(self.key)
        statistic, used = likelihood_ratio_two_samples(window, reference)
        dof = max(1.0, float(used))  # all in one bin on both sides are as alike as can be: 0 of one degree
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=index,
            n=n,
            log_p=dispersed_log_p(statistic, dof, dispersion),
            statistic=statistic,
            dof=dof,
            effect_floor=self.effect_floor,
            effect=max(0.0, index - noise_factor(dispersion) * (len(reference) - 1) * noise),
            detail={"bins": float(len(reference))},
        )
