"""Independent tasks over a few processes, and the exact bound of a rate."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from scipy import stats

from monitor.threads import cpu_quota

Task = TypeVar("Task")
Result = TypeVar("Result")


def spread(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None = None, *, together: int = 1
) -> list[Result]:
    """Return ``work`` of every task, in order; the result does not depend on how many processes there are.

    A process takes ``together`` tasks at a time: neighbours may share what they keep in memory.
    """
    workers = min(len(tasks), workers or max(1, int(cpu_quota())))
    if workers <= 1:
        return [work(task) for task in tasks]
    context = multiprocessing.get_context("spawn")  # a fork of a process with BLAS threads may hang
    with ProcessPoolExecutor(workers, mp_context=context) as processes:
        return list(processes.map(work, tasks, chunksize=max(1, together)))


def upper_bound(events: int, trials: int, confidence: float = 0.95) -> float:
    """Return the exact one-sided upper bound of a rate (Clopper and Pearson 1934): a quantile of a beta law.

    >>> round(upper_bound(0, 20_000) * 20_000, 2)
    3.0
    """
    if events >= trials:
        return 1.0
    return float(stats.beta.ppf(confidence, events + 1, trials - events))


def interval(events: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a rate (Clopper and Pearson 1934).

    >>> [round(end, 3) for end in interval(5, 100)]
    [0.016, 0.113]
    """
    tail = (1.0 - confidence) / 2.0
    low = float(stats.beta.ppf(tail, events, trials - events + 1)) if events else 0.0
    return low, upper_bound(events, trials, 1.0 - tail)
