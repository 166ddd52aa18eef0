"""PSI of a million scores in ten bins: binning and index in one figure of CPU time, beside numpy's search."""

from __future__ import annotations

import argparse
import statistics
from functools import partial
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figures, alternate, median_ratio, rerun_steady
from monitor.stats.arrays import FloatArray, IntArray
from monitor.stats.histogram import count_bins, psi, quantile_edges

SEED = 20_250_923
BINS = 10
MILLISECONDS_BAR = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs")
    quick = parser.parse_args().quick
    runs = 5 if quick else 51
    figures = Figures("histogram", SEED, runs, quick=quick)
    rng = np.random.default_rng(SEED)
    baseline = rng.beta(8.0, 3.0, 20_000)
    edges = quantile_edges(baseline, BINS)
    reference = count_bins(baseline, edges)
    for dtype in (np.float32, np.float64):
        scores = rng.beta(7.5, 3.0, 1_000_000).astype(dtype)
        seconds = alternate(
            {
                "psi": partial(_psi, scores, edges, reference),
                "searchsorted": partial(np.searchsorted, edges, scores, side="right"),
            },
            runs,
            process_time,
        )
        name = f"PSI of {scores.size:,} {np.dtype(dtype).name} scores in {BINS} bins"
        figures.add(name, statistics.median(seconds["psi"]) * 1e3, "ms", MILLISECONDS_BAR)
        ratio = median_ratio(seconds["searchsorted"], seconds["psi"])
        figures.add(f"{name}: times faster than searchsorted", ratio, "x", higher_is_better=True)
    figures.write()


def _psi(scores: NDArray[Any], edges: FloatArray, reference: IntArray) -> float:
    return psi(count_bins(scores, edges), reference)


if __name__ == "__main__":
    rerun_steady()
    main()
