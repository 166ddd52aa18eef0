"""Directions in which the baseline's questions vary, each scaled to the same spread; what two detectors look along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.build import LEAST_RECORDS, WindowData, counting_half
from monitor.baseline.frozen import Baseline
from monitor.baseline.window_profile import has_direction
from monitor.profile import Profile
from monitor.stats.arrays import FloatArray, VectorArray
from monitor.stats.spectrum import mean_spectrum

DIRECTIONS = 512
"""Directions kept at most; those beyond are those that vary least."""
RIDGE = 0.01
"""Added to every eigenvalue, in units of their mean, so that a direction that hardly varies does not decide alone."""
LARGEST = 4.0
"""A coordinate's size counts as this at most (in standard deviations): one odd question is no spread."""
CHUNK = 2048


@dataclass(frozen=True, slots=True)
class Whitening:
    """A whitening of the query vectors: fitted on one half of the baseline, its noise measured on the other.

    Frozen are ``centre (d,)``, ``directions (k, d)`` (eigenvectors over the root of eigenvalue plus ridge), and the
    spectra ``means (k,)`` and ``sizes (k,)`` of the coordinates and of their absolute values. Counted is, per window,
    the sum of absolute coordinates: squares say the same of a variance, but need windows of a thousand until their
    means are normal.

    Notes
    -----
    The ridge is ``0.01 + (d / n)^2`` of the mean eigenvalue for n vectors: the smallest eigenvalues of a sample
    covariance are too small by a share of about ``2 sqrt(d / n)`` (Marchenko and Pastur 1967), and useless from n = d.
    """

    name: ClassVar[str] = "whitening"
    held_out: ClassVar[bool] = True

    def fit(self, baseline: Baseline, window: WindowData) -> Mapping[str, NDArray[Any]] | None:
        """Return the frozen arrays, None for too few vectors."""
        rows = _rows(window.vectors, normalise=baseline.normalise)
        counting = counting_half(window.ids)[has_direction(window.vectors)]
        fitting, measured = rows[~counting], rows[counting]
        if min(len(fitting), len(measured)) < LEAST_RECORDS // 4:
            return None
        centre = fitting.mean(axis=0)
        centred = fitting - centre
        values, vectors = np.linalg.eigh(centred.T @ centred / (len(fitting) - 1))
        values, vectors = values[::-1][:DIRECTIONS].clip(0.0), vectors[:, ::-1][:, :DIRECTIONS]
        mean = float(np.sum(centred * centred)) / (len(fitting) - 1) / len(centre)
        ridge = max(1e-12, (RIDGE + (len(centre) / len(fitting)) ** 2) * mean)
        directions = (vectors / np.sqrt(values + ridge)).T.astype(np.float32)
        coordinates = (measured - centre) @ directions.T.astype(np.float64)
        return {
            "centre": centre,
            "directions": np.ascontiguousarray(directions),
            "means": mean_spectrum(coordinates),
            "sizes": mean_spectrum(np.minimum(np.abs(coordinates), LARGEST)),
        }

    def tally(
        self, baseline: Baseline, parameters: Mapping[str, NDArray[Any]], window: WindowData
    ) -> Profile:
        """Return ``whitening.n`` vectors and ``whitening.sizes (k,)``, the sum of their absolute coordinates."""
        directions = parameters["directions"]
        sizes = np.zeros(len(directions), dtype=np.float64)
        rows = _rows(window.vectors, normalise=baseline.normalise)
        for start in range(0, len(rows), CHUNK):
            coordinates = (rows[start : start + CHUNK] - parameters["centre"]).astype(
                np.float32
            ) @ directions.T
            sizes += np.minimum(np.abs(coordinates), LARGEST).sum(axis=0, dtype=np.float64)
        counts = {"whitening.n": np.array([len(rows)], dtype=np.int64)}
        return Profile(baseline.basis, counts, {"whitening.sizes": sizes})


def _rows(vectors: VectorArray, *, normalise: bool) -> FloatArray:
    """Return the usable rows as float64, of unit length under the cosine metric."""
    rows = np.asarray(vectors[has_direction(vectors)], dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) if normalise else rows
