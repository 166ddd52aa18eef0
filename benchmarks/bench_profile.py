"""The profile's pass over vectors against its bound, in time and memory.

The bound is one read of the data at the speed of memory plus the bare product with the centroids. The read is
a maximum over all values, the fastest single-threaded look at every byte that numpy has (a sum is bound by
its pairwise additions, a copy also writes). The product is ``X @ C.T`` into a reused buffer, at whichever
number of rows at a time is fastest on this machine. Both are run beside the pass, in every run, on the same
array.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figures, alternate, median_ratio, rerun_steady
from monitor.stats.arrays import VectorArray
from monitor.stats.codebook import fit_codebook
from monitor.stats.vector_pass import summarise_vectors

SEED = 20_250_923
CELLS = {64: 1.35, 256: 1.15}
MEMMAP_BAR = 1.6
MEMORY_BAR = 20.0
CHUNKS = (256, 512, 1024, 2048, 4096, 8192)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and few runs")
    quick = parser.parse_args().quick
    rows, dimension, runs = (10_000, 768, 5) if quick else (100_000, 768, 21)
    figures = Figures("profile", SEED, runs, quick=quick)
    rng = np.random.default_rng(SEED)
    vectors = rng.standard_normal((rows, dimension), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        np.save(path, vectors)
        for cells, bar in CELLS.items():
            centroids = rng.standard_normal((cells, dimension), dtype=np.float32)
            _time(figures, vectors, np.load(path, mmap_mode="r"), centroids, bar)
            _weigh(figures, vectors, centroids)
    sample = vectors[:10_000]
    fit = alternate({"fit": lambda: fit_codebook(sample, 64, SEED)}, 2)["fit"]
    figures.add(f"codebook, {len(sample):,} x {dimension}, K=64", statistics.median(fit), "s")
    figures.write()


def _time(
    figures: Figures, vectors: VectorArray, mapped: NDArray[Any], centroids: VectorArray, bar: float
) -> None:
    name = f"pass, {len(vectors):,} x {vectors.shape[1]}, K={len(centroids)}"
    products = {str(rows): _product(vectors, centroids, rows) for rows in CHUNKS}
    trial = alternate(products, 3)
    best = min(trial, key=lambda rows: min(trial[rows]))
    seconds = alternate(
        {
            "read": vectors.max,
            "product": products[best],
            "pass": lambda: summarise_vectors(vectors, centroids, normalise=True),
            "memmap": lambda: summarise_vectors(mapped, centroids, normalise=True),
        },
        figures.runs,
    )
    bound = [read + product for read, product in zip(seconds["read"], seconds["product"], strict=True)]
    figures.add(f"{name}: over the bound", median_ratio(seconds["pass"], bound), "x", bar)
    figures.add(
        f"{name}: over the bound, warm memmap", median_ratio(seconds["memmap"], bound), "x", MEMMAP_BAR
    )
    for case in ("read", "product", "pass"):
        label = f"{case} at {best} rows" if case == "product" else case
        figures.add(f"{name}: {label}", statistics.median(seconds[case]) * 1e3, "ms")


def _product(vectors: VectorArray, centroids: VectorArray, rows: int) -> Callable[[], None]:
    buffer = np.empty((rows, len(centroids)), dtype=np.float32)

    def run() -> None:
        for start in range(0, len(vectors), rows):
            chunk = vectors[start : start + rows]
            np.matmul(chunk, centroids.T, out=buffer[: len(chunk)])

    return run


def _weigh(figures: Figures, vectors: VectorArray, centroids: VectorArray) -> None:
    """Add the peak of what numpy allocates during a pass; it does not grow with the rows, so half suffice."""
    for dtype in (np.float32, np.float64):
        part = vectors[: len(vectors) // 2].astype(dtype)
        tracemalloc.start()
        summarise_vectors(part, centroids, normalise=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        name = f"pass, {part.shape[1]} {np.dtype(dtype).name}, K={len(centroids)}: extra memory"
        figures.add(name, peak / 1e6, "MB", MEMORY_BAR)


if __name__ == "__main__":
    rerun_steady()
    main()
