"""Our default set as a process like a peer's, so that its time and memory are measured in the same way.

``python -m benchmarks.detection.ours_process FOLDER SECONDS``. It sees what peers see, vectors alone; the reference is
one window of them.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from benchmarks.detection.ours import ALPHA, SET, decide, from_reference
from benchmarks.detection.peer_process import Judge, Vectors, answer
from benchmarks.detection.pool import EPOCH
from benchmarks.detection.simulation import DETECTORS
from benchmarks.detection.windows import Windows
from monitor.baseline.window_profile import profile_queries
from monitor.judge.runner import measure_all
from monitor.records import Record


def prepare(reference: Vectors) -> Judge:
    """Return the set, with a baseline of these vectors."""
    baseline = from_reference([Record("", EPOCH, vector=row) for row in np.ascontiguousarray(reference)])

    def judge(window: Vectors) -> tuple[bool, float | None]:
        p = math.exp(decide(measure_all(DETECTORS, baseline, profile_queries(baseline, window)))[SET])
        return p <= ALPHA, p

    return judge


if __name__ == "__main__":
    folder, limit = sys.argv[1:]
    answer(Windows.load(Path(folder)), prepare, sys.stdin, float(limit))
