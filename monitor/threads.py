"""BLAS thread counts from the cgroup's CPU quota; must run before numpy is imported."""

from __future__ import annotations

import math
import os
from pathlib import Path

BLAS_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def cpu_quota(root: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the CPUs this process may use: the smaller of affinity and cgroup quota (v2, then v1)."""
    cpus = (
        float(len(os.sched_getaffinity(0)))
        if hasattr(os, "sched_getaffinity")
        else float(os.cpu_count() or 1)
    )
    return min(cpus, _cgroup_v2(root) or _cgroup_v1(root) or cpus)


def _cgroup_v2(root: Path) -> float | None:
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _cgroup_v1(root: Path) -> float | None:
    try:
        quota = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((root / "cpu" / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def worker_count(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many windows to work at once: one per whole CPU of the quota, at least one."""
    return max(1, math.floor(cpu_quota(root)))


def limit_blas_threads(workers: int | None = None, root: Path = Path("/sys/fs/cgroup")) -> int:
    """Give each worker its share of the quota as BLAS threads, unless the environment already says otherwise.

    With one worker per CPU that is one thread each: two BLAS threads beside a busy neighbour run at a quarter of
    the speed of one, because they wait for each other at every barrier.
    """
    share = max(1, math.floor(cpu_quota(root)) // (workers or worker_count(root)))
    for variable in BLAS_VARIABLES:
        os.environ.setdefault(variable, str(share))
    return share
