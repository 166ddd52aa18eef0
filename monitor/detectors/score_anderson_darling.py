"""Has the distribution of retrieval scores moved or changed its shape, by less than a tenth of it?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from monitor.baseline.frozen import Baseline
from monitor.baseline.law import noise_factor
from monitor.baseline.score_bins import ScoreBins
from monitor.detectors.lacking import insufficient
from monitor.detectors.squared_shift import judge_shift
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.anderson_darling import anderson_darling


@dataclass(frozen=True, slots=True)
class ScoreAndersonDarling:
    """Anderson-Darling distance of one score per query, window against baseline, over 64 quantile bins.

    Parameters
    ----------
    column : {"top1", "mean", "margin"}
        The best score, the mean of the answer, or the distance of the first from the second.
    effect_floor : float
        The least distance beyond noise that counts: ``sqrt(A2 / n)``, the root mean square difference of the
        cumulative shares in units of ``sqrt(H (1 - H))``; 0.05 is a shift by about 0.07 standard deviations.
    least : int
        Fewer scored queries than this are ``insufficient``.

    Notes
    -----
    See :func:`monitor.stats.anderson_darling.anderson_darling` for the statistic and its law. It is the energy
    distance ``2 int (F - G)^2`` with weight on the tails; unlike PSI it knows that bins have an order, and sees a
    shift where PSI does not. One value per query: the k scores of one query are one observation.

    Examples
    --------
    >>> ScoreAndersonDarling("margin").key
    'score_anderson_darling.scores_margin'
    """

    name: ClassVar[str] = "score_anderson_darling"
    features: ClassVar[tuple[ScoreBins, ...]] = (ScoreBins(),)
    column: Literal["top1", "mean", "margin"] = "top1"
    effect_floor: float = 0.05
    least: int = 30

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < math.inf:
            raise ValueError(f"effect_floor must be finite and not negative, not {self.effect_floor}")
        if self.least < 2:
            raise ValueError(f"least must be at least 2, not {self.least}")

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
        bins = baseline.features.get("score_bins")
        entry = f"score_bins.{self.column}"
        window = profile.counts.get(entry)
        reference = None if bins is None else bins.tally.counts.get(entry)
        n = 0 if window is None else int(window.sum())
        if reference is None or window is None or min(n, int(reference.sum())) < self.least:
            return insufficient(self, n, "score_bins", lacking=reference is None, floor=self.effect_floor)
        statistic, weights = anderson_darling(window, reference)
        dispersion = baseline.dispersion.get(self.key)
        judged = judge_shift(statistic, weights, dispersion)
        count = 1.0 / (1.0 / n + 1.0 / float(reference.sum()))
        beyond = max(0.0, statistic - noise_factor(dispersion) * float(weights.sum()))
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=math.sqrt(beyond / count),
            n=n,
            log_p=judged.log_p,
            statistic=judged.statistic,
            dof=judged.dof,
            effect_floor=self.effect_floor,
            detail={"bins": float(len(reference))},
        )
