"""Exact search of 1,000 queries in 1,000,000 x 384: time beside faiss on one thread, and memory.

Both sides get the same float32 arrays. faiss is timed twice: with the kernel that its own OpenBLAS chooses (an old
build does not know a new processor and falls back to a slow one: the default kernel), and with the one
that numpy's OpenBLAS runs on this machine: the fair comparison, and the one with the bar. The corpus is
Gaussian, on the unit sphere, in no particular order. Memory is the peak of the process during a search, above
what it held when the search began.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from threadpoolctl import threadpool_info

from benchmarks.figures import STALE_VARIABLES, Figures, alternate, median_ratio, rerun_steady
from monitor.stats.exact_search import exact_top_k

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEED = 20_250_923
QUERIES, DIMENSIONS, K = 1_000, 384, 10
RATIO_BAR = 1.15
MEMORY_BAR_MB = 200.0
SAME_BAR = 0.999

Metric = Literal["cosine", "dot", "l2"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 rows and few runs")
    parser.add_argument("--worker", choices=["memory", "default", "matched"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    rows, runs = (100_000, 3) if options.quick else (1_000_000, 7)
    if options.worker:
        answer = _measure_memory(rows) if options.worker == "memory" else _race(rows, runs, options.worker)
        print(json.dumps(answer))
        return
    figures = Figures("exact_search", SEED, runs, quick=options.quick)
    what = f"{QUERIES:,} x {rows:,}"
    figures.add(f"{what}: memory beside the corpus", _work("memory")["megabytes"], "MB", MEMORY_BAR_MB)
    for worker in ("matched", "default"):
        race = _work(worker)
        for metric, result in race["metrics"].items():
            name = f"{what} {metric}, faiss on its {worker} kernel {race['kernel']}"
            bar = RATIO_BAR if worker == "matched" and not options.quick else None
            figures.add(f"{name}: CPU ours / faiss", result["ratio"], "x", bar)
            figures.add(f"{name}: CPU ours", result["seconds"], "s")
            figures.add(f"{name}: same ids", result["same"], "share", SAME_BAR, higher_is_better=True)
    figures.write()


def _work(worker: str) -> dict[str, Any]:
    """Measure in a process of its own: a BLAS kernel is chosen once, and a peak of memory never goes down."""
    command = [*sys.orig_argv, "--worker", worker]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _draw(rows: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(SEED)
    vectors = np.empty((rows + QUERIES, DIMENSIONS), dtype=np.float32)
    for start in range(0, len(vectors), 10_000):  # in pieces: the peak must be the search's, not this one's
        part = vectors[start : start + 10_000]
        rng.standard_normal(out=part, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors[:rows], vectors[rows:]


def _measure_memory(rows: int) -> dict[str, float]:
    corpus, queries = _draw(rows)
    exact_top_k(corpus[:1000], queries[:10], K, "dot")  # code and BLAS buffers are not the search's memory
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew from here
    before = _status("VmRSS")
    for metric in ("dot", "l2", "cosine"):
        exact_top_k(corpus, queries, K, metric)
    return {"megabytes": (_status("VmHWM") - before) / 1e6}


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def _race(rows: int, runs: int, worker: str) -> dict[str, Any]:
    if worker == "matched":
        # numpy has loaded its OpenBLAS already; faiss loads its own on import, and that reads the variable.
        os.environ[STALE_VARIABLES[0]] = _kernels()[0]["architecture"]
    import faiss

    faiss.omp_set_num_threads(1)
    corpus, queries = _draw(rows)
    metrics: dict[Metric, int] = {"dot": faiss.METRIC_INNER_PRODUCT}
    if worker == "matched":
        metrics |= {"l2": faiss.METRIC_L2, "cosine": faiss.METRIC_INNER_PRODUCT}
    results = {}
    for metric, code in metrics.items():

        def theirs(code: int = code) -> NDArray[np.int64]:
            indices: NDArray[np.int64] = faiss.knn(queries, corpus, K, metric=code)[1]
            return indices

        def ours(metric: Metric = metric) -> NDArray[np.int64]:
            return exact_top_k(corpus, queries, K, metric)[0]

        cases: dict[str, Callable[[], object]] = {"theirs": theirs, "ours": ours}
        seconds = alternate(cases, runs if worker == "matched" else 2, process_time)
        results[metric] = {
            "ratio": median_ratio(seconds["ours"], seconds["theirs"]),
            "seconds": float(np.median(seconds["ours"])),
            "same": float((ours() == theirs()).mean()),
        }
    return {"kernel": _kernels("faiss")[0]["architecture"], "metrics": results}


def _kernels(library: str = "numpy") -> list[dict[str, Any]]:
    return [b for b in threadpool_info() if b["internal_api"] == "openblas" and library in b["filepath"]]


if __name__ == "__main__":
    rerun_steady()
    main()
