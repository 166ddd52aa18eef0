"""One detector of another project, run in that project's environment: windows from .npy files, results as JSON lines.

``python -m benchmarks.detection.peer_process FOLDER DETECTOR SECONDS`` reads lines "RUN SCENARIO" and answers each with
the decision at 5%, the p-value if there is one, CPU seconds and the process's peak memory during the call, until the
seconds are used up. Only NumPy and the peer itself are imported. Every peer runs with its defaults.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.windows import Windows

Vectors = NDArray[np.float32]
Judge = Callable[[Vectors], tuple[bool, float | None]]
"""Says of a window whether it drifted, and with which p-value."""
Prepare = Callable[[Vectors], Judge]
"""Takes a reference: what is done once and not in every window."""

ALPHA = 0.05
PERMUTATIONS = 19
"""Of frouros' MMD, which has no default; each costs as much as the test itself, and 19 are the fewest that reach 5%."""


def alibi_mmd(reference: Vectors) -> Judge:
    """Return alibi-detect's MMDDrift on its PyTorch backend: 100 permutations."""
    import torch
    from alibi_detect.cd import MMDDrift

    torch.manual_seed(0)
    detector = MMDDrift(reference, backend="pytorch", p_val=ALPHA)

    def judge(window: Vectors) -> tuple[bool, float | None]:
        data = detector.predict(window)["data"]
        return bool(data["is_drift"]), float(data["p_val"])

    return judge


def alibi_ks(reference: Vectors) -> Judge:
    """Return alibi-detect's KSDrift: a test per coordinate, corrected by Bonferroni."""
    from alibi_detect.cd import KSDrift

    detector = KSDrift(reference, p_val=ALPHA)

    def judge(window: Vectors) -> tuple[bool, float | None]:
        data = detector.predict(window)["data"]
        return bool(data["is_drift"]), min(1.0, float(np.min(data["p_val"])) * reference.shape[1])

    return judge


def evidently_default(reference: Vectors) -> Judge:
    """Return what EmbeddingsDriftMetric chooses if it is told nothing: a classifier; without the metric's plot."""
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import model

    return _evidently(model(bootstrap=len(reference) < 1000), reference)


def evidently_ratio(reference: Vectors) -> Judge:
    """Return Evidently's share of coordinates that drifted."""
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import ratio

    return _evidently(ratio(), reference)


def evidently_mmd(reference: Vectors) -> Judge:
    """Return Evidently's MMD against its fixed threshold."""
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import mmd

    return _evidently(mmd(), reference)


def evidently_mmd_bootstrap(reference: Vectors) -> Judge:
    """Return Evidently's MMD against the quantile of a bootstrap."""
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import mmd

    return _evidently(mmd(bootstrap=True), reference)


def frouros_mmd(reference: Vectors) -> Judge:
    """Return frouros' MMD with its permutation test."""
    from frouros.callbacks import PermutationTestDistanceBased
    from frouros.detectors.data_drift import MMD

    test = PermutationTestDistanceBased(
        num_permutations=PERMUTATIONS, num_jobs=1, method="conservative", random_state=0
    )
    detector = MMD(callbacks=test)
    detector.fit(X=reference)

    def judge(window: Vectors) -> tuple[bool, float | None]:
        p = float(detector.compare(X=window)[1]["PermutationTestDistanceBased"]["p_value"])
        return p <= ALPHA, p

    return judge


DETECTORS: dict[str, Prepare] = {
    "alibi-detect MMDDrift": alibi_mmd,
    "alibi-detect KSDrift": alibi_ks,
    "Evidently default (classifier)": evidently_default,
    "Evidently ratio": evidently_ratio,
    "Evidently mmd": evidently_mmd,
    "Evidently mmd with bootstrap": evidently_mmd_bootstrap,
    "frouros MMD": frouros_mmd,
}


def answer(
    windows: Windows, prepare: Prepare, lines: Iterable[str], seconds: float, out: TextIO | None = None
) -> None:
    """Judge the windows that ``lines`` name, one JSON line each, for so many seconds after the first at most."""
    last, judge, began = -1, None, math.inf
    for line in lines:
        if time.monotonic() - began > seconds:
            return
        number, _, scenario = line.strip().partition(" ")
        run = int(number)
        if judge is None or run != last:
            judge, last = prepare(windows.reference(run)), run
        window = windows.window(scenario, run)
        _forget_peak()
        start = _cpu()
        found, p = judge(window)
        cpu = _cpu() - start
        row = {"run": run, "scenario": scenario, "found": bool(found), "p": p, "cpu": cpu}
        print(json.dumps(row | {"peak": _peak_megabytes()}), file=out or sys.stdout, flush=True)
        began = min(began, time.monotonic())  # the first call imports the peer, which may take long


def _evidently(method: Any, reference: Vectors) -> Judge:
    import pandas as pd

    def judge(window: Vectors) -> tuple[bool, float | None]:
        # The method writes a column into both frames, so that each call needs its own.
        _, found, _ = method(pd.DataFrame(window), pd.DataFrame(reference))
        return bool(found), None

    return judge


def _cpu() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _forget_peak() -> None:
    """Start the peak of this process's memory anew; where that is not possible it is the peak since the start."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_megabytes() -> float:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024.0


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    folder, name, limit = sys.argv[1:]
    answer(Windows.load(Path(folder)), DETECTORS[name], sys.stdin, float(limit))
