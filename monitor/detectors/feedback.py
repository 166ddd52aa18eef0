"""Do users say, or show, that they are served worse?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from monitor.baseline.feedback_sums import REFORMULATION, FeedbackSums, label_sums
from monitor.baseline.frozen import Baseline, Dispersion
from monitor.detectors.lacking import insufficient
from monitor.detectors.one_sided import one_sided_log_p
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Feedback:
    """The worst loss among all labels of feedback (clicks, thumbs), and a rise of questions asked again.

    Parameters
    ----------
    rises : tuple of str
        Labels whose rise is the loss (complaints, say); of all others a fall is. ``reformulation``, which is counted
        from sessions, is always one of them.
    absent : {"unknown", "zero"}
        What a record without a label says: nothing, or 0 (a log that writes clicks only where there are some).
    effect_floor : float
        The least loss that counts, in standard deviations of the label: of clicks at 30%, 0.1 are 4.6 points.
    least : int
        A label with fewer values than this says nothing, nor one whose rarer answer is expected fewer than ten times.

    Notes
    -----
    Per label ``z = (mean_b - mean_w) / sqrt(v (1/N + 1/M))`` with the variance v of both together (for clicks the
    score test of two proportions), one-sided. Of k labels the smallest p stands as ``1 - (1 - p)^k`` (Sidak 1967), at
    most too large where labels go together. The over-dispersion of quiet history is measured on ``sum z^2``. It is
    always harm.

    Examples
    --------
    >>> Feedback().key
    'feedback.feedback'
    """

    name: ClassVar[str] = "feedback"
    signal: ClassVar[str] = "feedback"
    features: ClassVar[tuple[FeedbackSums, ...]] = (FeedbackSums(),)
    rises: tuple[str, ...] = ()
    absent: Literal["unknown", "zero"] = "unknown"
    effect_floor: float = 0.05
    least: int = 30

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
        feature = baseline.features.get("feedback")
        if feature is None:
            return insufficient(self, 0, "feedback", lacking=True, floor=self.effect_floor, harmful=True)
        zero = self.absent == "zero"
        before = label_sums(feature.tally, absent_is_zero=zero)
        now = label_sums(profile, absent_is_zero=zero)
        losses = {
            label: loss
            for label in sorted(before.keys() & now.keys())
            if (loss := self._loss(label, now[label], before[label])) is not None
        }
        n = int(max((now[label][0] for label in losses), default=0))
        if not losses:
            return insufficient(self, n, "feedback", lacking=False, floor=self.effect_floor, harmful=True)
        worst = max(losses, key=lambda label: losses[label].z)
        detail: dict[str, float | str] = {f"mean_{label}": loss.mean for label, loss in losses.items()}
        if REFORMULATION not in losses:
            detail[REFORMULATION] = _left_out(profile)
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=max(0.0, losses[worst].size),
            n=n,
            log_p=_smallest(losses[worst].z, len(losses), baseline.dispersion.get(self.key)),
            statistic=float(sum(loss.z * loss.z for loss in losses.values())),
            dof=float(len(losses)),
            effect_floor=self.effect_floor,
            harmful=True,
            detail={"worst": worst, **detail},
        )

    def _loss(self, label: str, now: FloatArray, before: FloatArray) -> _Loss | None:
        """Return the loss of one label, None where it has too few values, or too few of the rarer kind."""
        m, n = float(now[0]), float(before[0])
        if min(m, n) < self.least:
            return None
        both = now + before
        mean = both[1] / both[0]
        variance = max(0.0, both[2] / both[0] - mean * mean)
        if variance <= 1e-12 * max(1.0, mean * mean):
            return None
        # Of zeros and ones the sums are equal; the tail of a rare answer is not normal.
        if both[1] == both[2] and m * min(mean, 1.0 - mean) < _LEAST_EXPECTED:
            return None
        sign = 1.0 if label == REFORMULATION or label in self.rises else -1.0
        size = sign * (now[1] / m - before[1] / n) / math.sqrt(variance)
        return _Loss(float(size / math.sqrt(1.0 / m + 1.0 / n)), float(size), float(now[1] / m))


_LEAST_EXPECTED = 10.0


@dataclass(frozen=True, slots=True)
class _Loss:
    """How much worse: in standard errors, in standard deviations; and the label's mean now."""

    z: float
    size: float
    mean: float


def _smallest(z: float, labels: int, dispersion: Dispersion | None) -> float:
    """Return the log p-value of the largest z of ``labels``."""
    log_p = one_sided_log_p(z, dispersion)
    if log_p < -30.0:  # 1 - (1 - p)^k is k p
        return min(0.0, log_p + math.log(labels))
    p = min(math.exp(log_p), 1.0 - 1e-16)
    return min(0.0, math.log(-np.expm1(labels * math.log1p(-p))))


def _left_out(profile: Profile) -> str:
    sampled = profile.count("feedback.sampled")
    return "left out: the window is sampled" if sampled else "left out: no sessions, or too few"
