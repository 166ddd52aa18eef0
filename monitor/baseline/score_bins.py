"""Sixty-four bins of a score: ten deciles tell a PSI, shapes within a decile need finer ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.build import LEAST_RECORDS, WindowData
from monitor.baseline.features import half
from monitor.baseline.frozen import SCORE_COLUMNS, Baseline
from monitor.baseline.window_profile import score_columns
from monitor.profile import Profile
from monitor.stats.histogram import count_bins, quantile_edges

BINS = 64


@dataclass(frozen=True, slots=True)
class ScoreBins:
    """Bins between 64 quantiles of each score column, from the fitting half; counted is one value per query.

    A column of which there is too little (the margin, where every answer has one hit) is left out.
    """

    name: ClassVar[str] = "score_bins"
    held_out: ClassVar[bool] = True

    def fit(self, baseline: Baseline, window: WindowData) -> Mapping[str, NDArray[Any]] | None:
        """Return the interior edges per column, None where the log carries no scores."""
        columns = score_columns(half(window, counting=False).sample, baseline.direction)
        edges = {
            name: quantile_edges(columns[name], BINS)
            for name in SCORE_COLUMNS
            if len(columns[name]) >= LEAST_RECORDS // 2
        }
        return {name: array for name, array in edges.items() if len(array)} or None

    def tally(
        self, baseline: Baseline, parameters: Mapping[str, NDArray[Any]], window: WindowData
    ) -> Profile:
        """Return the counts ``score_bins.<column> (at most 64,)``."""
        columns = score_columns(window.sample, baseline.direction)
        return Profile(
            baseline.basis,
            {
                f"score_bins.{name}": count_bins(columns[name], np.asarray(edges))
                for name, edges in parameters.items()
            },
        )
