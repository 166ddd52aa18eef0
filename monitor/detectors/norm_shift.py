"""Are the query vectors as long as they were?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.build import WindowData
from monitor.baseline.frozen import Baseline
from monitor.baseline.law import noise_factor
from monitor.detectors.lacking import insufficient
from monitor.detectors.squared_shift import judge_shift
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.anderson_darling import anderson_darling
from monitor.stats.arrays import FloatArray, IntArray
from monitor.stats.histogram import count_bins
from monitor.stats.vector_pass import accept, squared_norms

PER_OCTAVE = 32
"""Bins per doubling of the norm, each 2.2% wide. Those of the default profile have 19%: 1 hides 1.08 in them."""
OCTAVES = 8
"""Bins reach from 2^-8 to 2^8; shorter and longer vectors fall into the outer two."""


@dataclass(frozen=True, slots=True)
class Norms:
    """A fine histogram of raw norms: ``norms.bins``, over fixed edges, 1.0 in the middle of a bin."""

    name: ClassVar[str] = "norms"
    held_out: ClassVar[bool] = False

    def fit(self, baseline: Baseline, window: WindowData) -> Mapping[str, NDArray[Any]] | None:
        """Return the ``edges``; they depend on nothing."""
        del baseline, window
        reach = PER_OCTAVE * OCTAVES
        return {"edges": 2.0 ** ((np.arange(-reach, reach + 1) - 0.5) / PER_OCTAVE)}

    def tally(
        self, baseline: Baseline, parameters: Mapping[str, NDArray[Any]], window: WindowData
    ) -> Profile:
        """Return the counts of the usable vectors' norms."""
        squared = squared_norms(np.ascontiguousarray(window.vectors, dtype=np.float32))
        norms = np.sqrt(squared[accept(squared)].astype(np.float64))
        return Profile(baseline.basis, {"norms.bins": count_bins(norms, np.asarray(parameters["edges"]))})


@dataclass(frozen=True, slots=True)
class NormShift:
    """Typical norm of the query vectors, decided by the Anderson-Darling distance of all norms.

    Parameters
    ----------
    effect_floor : float
        The least distance beyond noise that counts, ``sqrt(A2 / n)``; 0.1 is a tenth of a standard deviation.
    least : int
        Fewer vectors than this are ``insufficient``.

    Notes
    -----
    The cosine does not see norms, so no chart of directions does: a normalisation that was dropped, a head of another
    scale, a mean over padding. Where the metric is the dot product it may change every ranking. Shown is the geometric
    mean of the norms. Vectors that all have norm 1 fill one bin: nothing scatters, and what leaves it counts.

    Examples
    --------
    >>> NormShift().key
    'norm_shift.queries'
    """

    name: ClassVar[str] = "norm_shift"
    signal: ClassVar[str] = "queries"
    features: ClassVar[tuple[Norms, ...]] = (Norms(),)
    effect_floor: float = 0.1
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
        norms = baseline.features.get("norms")
        window = profile.counts.get("norms.bins")
        n = 0 if window is None else int(window.sum())
        before = 0 if norms is None else norms.tally.count("norms.bins")
        if norms is None or window is None or min(n, before) < self.least:
            return insufficient(self, n, "norms", lacking=norms is None, floor=self.effect_floor)
        reference = norms.tally.counts["norms.bins"]
        statistic, weights = anderson_darling(window, reference)
        dispersion = baseline.dispersion.get(self.key)
        judged = judge_shift(statistic, weights, dispersion)
        beyond = max(0.0, statistic - noise_factor(dispersion) * float(weights.sum()))
        edges = norms.parameters["edges"]
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=_typical(window, edges),
            n=n,
            log_p=judged.log_p,
            statistic=judged.statistic,
            dof=judged.dof,
            effect_floor=self.effect_floor,
            effect=math.sqrt(beyond * (1.0 / n + 1.0 / before)),
            detail={"baseline": _typical(reference, edges)},
        )


def _typical(counts: IntArray, edges: FloatArray) -> float:
    """Return the geometric mean, every vector taken at the middle of its bin."""
    logs = np.log(edges)
    middles = np.concatenate(([logs[0]], (logs[:-1] + logs[1:]) / 2.0, [logs[-1]]))
    return math.exp(float(counts @ middles) / float(counts.sum()))
