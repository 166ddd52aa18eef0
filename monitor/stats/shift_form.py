"""How far a mean has moved, each direction counted in units of what is usual in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.stats.arrays import FloatArray

DIRECTIONS = 256
"""Principal directions that are told apart; what is left is one block with one variance."""
EMPHASIS = 0.25
"""0 counts every direction alike (Hotelling), 1 by its variance (Bai and Saranadasa)."""


@dataclass(frozen=True, slots=True)
class ShiftForm:
    """The quadratic form ``Q(delta) = sum_i g_i (u_i . delta)^2 + g_rest |delta_rest|^2``, scaled to mean 1.

    Attributes
    ----------
    directions : ndarray
        ``(r, d)`` float16, principal directions u of the fitting half, the widest first.
    gains : FloatArray
        ``(r + 1,)``: g per direction, and of the rest last.
    weights : FloatArray
        ``(<= d,)`` descending, sum 1: for normal ``delta`` with covariance ``c Sigma``, ``Q / c`` is
        ``sum w_j Z_j^2``. Measured on the counting half.
    """

    directions: NDArray[np.float16]
    gains: FloatArray
    weights: FloatArray

    @property
    def effective_dimensions(self) -> float:
        """``1 / sum w^2``: how many equal directions would scatter as much."""
        return 1.0 / float(np.sum(self.weights**2))

    def measure(self, delta: FloatArray) -> float:
        """Return ``Q(delta)`` of a shift ``(d,)``."""
        along = self.directions.astype(np.float64) @ delta
        rest = max(0.0, float(delta @ delta) - float(along @ along))
        return float(self.gains[:-1] @ (along * along)) + float(self.gains[-1]) * rest


def fit_shift_form(fitting: FloatArray, counting: FloatArray) -> ShiftForm:
    """Fit directions and gains on one half of a population, the law's weights on the other.

    Parameters
    ----------
    fitting, counting : FloatArray
        ``(n, d)`` and ``(m, d)``, disjoint samples of one population, at least two rows each.

    Notes
    -----
    With eigenvalues ``l_i`` of the fitting half's covariance, shrunk towards their mean by Ledoit and Wolf's intensity
    (2004, "A well-conditioned estimator for large-dimensional covariance matrices"), direction i counts
    ``g_i = l_i^(EMPHASIS - 1)``. New questions lie where old ones vary little, so that weighing all directions nearly
    alike finds them several times sooner than the Euclidean shift, which the widest few directions decide:
    docs/decisions/0013. The weights are the eigenvalues of ``A C``, A the form's matrix and C the *counting* half's
    covariance: measured on the fitting half, they would promise less scatter than there is in the narrow directions.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> wide = np.array([3.0, 1.0, 0.3])
    >>> form = fit_shift_form(rng.normal(size=(4000, 3)) * wide, rng.normal(size=(4000, 3)) * wide)
    >>> means = [(rng.normal(size=(50, 3)) * wide).mean(axis=0) for _ in range(2000)]
    >>> abs(float(np.mean([form.measure(m) * 50 for m in means])) - 1.0) < 0.05
    True
    """
    covariance = np.atleast_2d(np.cov(fitting.T))
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    values = _shrink(values, fitting)
    kept = min(DIRECTIONS, len(values))
    directions = vectors[:, :kept].T.astype(np.float16)
    rest = float(values[kept:].mean()) if kept < len(values) else float(values[-1])
    gains = np.append(values[:kept], rest) ** (EMPHASIS - 1.0)
    rows = directions.astype(np.float64)
    matrix = rows.T @ (rows * (gains[:-1] - gains[-1])[:, None]) + gains[-1] * np.eye(len(values))
    roots, axes = np.linalg.eigh(np.atleast_2d(np.cov(counting.T)))
    half = axes * np.sqrt(np.maximum(roots, 0.0))
    weights = np.maximum(np.linalg.eigvalsh(half.T @ matrix @ half)[::-1], 0.0)
    total = float(weights.sum())
    if not total > 0.0:  # the counting half does not vary at all: any shift is one in this single direction
        return ShiftForm(directions, gains / float(gains.max()), np.ones(1))
    used = weights[weights > 1e-9 * weights[0]]
    return ShiftForm(directions, gains / total, used / used.sum())


def _shrink(values: FloatArray, rows: FloatArray) -> FloatArray:
    """Return eigenvalues drawn towards their mean, and none of them 0."""
    n = len(rows)
    centred = rows - rows.mean(axis=0)
    mean = max(float(values.mean()), 1e-30)
    spread = float(np.sum((values - mean) ** 2))
    lengths = np.einsum("ij,ij->i", centred, centred)
    noise = max(0.0, float(np.mean(lengths**2)) - float(np.sum(values**2))) / n
    intensity = min(1.0, noise / spread) if spread > 0.0 else 1.0
    shrunk: FloatArray = np.maximum((1.0 - intensity) * values + intensity * mean, mean * math.sqrt(1e-12))
    return shrunk
