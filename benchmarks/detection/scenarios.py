"""What may have happened to a window, drawn from a pool: nothing, a new topic, another mix, a turned space."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.pool import Pool
from benchmarks.detection.traffic import Traffic
from benchmarks.detection.windows import Windows
from monitor.records import VectorArray

LEAST_QUESTIONS = 150
"""A topic that is held out should have so many questions at least."""
NEW = {"5% new topic": 0.05, "10% new topic": 0.10}
REWEIGHTED = "topics reweighted"
LEAN = 0.25
"""A random half of the topics is asked about this much more often, the other half this much less."""
TURNED = {"space turned by 5 degrees": 5.0, "space turned by 1 degree": 1.0}
QUIET = "quiet"
SCENARIOS = (QUIET, *NEW, REWEIGHTED, *TURNED)


def held_out(pool: Pool) -> list[int]:
    """Return the topics that are held out in turn, one per run: large enough to be new."""
    return [int(t) for t in np.flatnonzero(np.bincount(pool.topics) >= LEAST_QUESTIONS)]


def draw_windows(pool: Pool, runs: int, n: int, m: int, seed: int = 9) -> Windows:
    """Return so many runs: references of ``n`` and windows of ``m`` independent questions.

    A run's reference never asks about one topic, and neither do its windows, but for those of a new topic.
    """
    drawn = [draw_run(pool, run, n, m, seed) for run in range(runs)]
    vectors = np.ascontiguousarray(pool.vectors[:, 0])
    return Windows(
        vectors,
        np.stack([reference for reference, _ in drawn]),
        {name: np.stack([questions[name] for _, questions in drawn]) for name in SCENARIOS},
        turns(vectors.shape[1], seed),
    )


def draw_run(
    pool: Pool, run: int, n: int, m: int, seed: int = 9
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Return a run's reference and its window of each scenario, as positions in the pool."""
    topics = held_out(pool)
    traffic = Traffic(pool, without=topics[run % len(topics)])
    rng = np.random.default_rng([seed, run])
    reference = traffic.draw(rng, 0, n).questions
    questions = {}
    for name in SCENARIOS:
        if name == REWEIGHTED:
            questions[name] = _reweighted(traffic, rng, m)
        else:
            questions[name] = traffic.draw(rng, 0, m, new=NEW.get(name, 0.0)).questions
    return reference, questions


def turns(d: int, seed: int = 9) -> dict[str, VectorArray]:
    """Return the rotations of the scenarios that have one."""
    return {name: rotation(d, degrees, np.random.default_rng(seed)) for name, degrees in TURNED.items()}


def rotation(d: int, degrees: float, rng: np.random.Generator) -> VectorArray:
    """Return a ``(d, d)`` rotation that turns every vector by the same angle: all planes of a random basis (d even)."""
    basis, _ = np.linalg.qr(rng.normal(size=(d, d)))
    turn = np.eye(d) * math.cos(math.radians(degrees))
    sine = math.sin(math.radians(degrees))
    even = np.arange(0, d - 1, 2)
    turn[even, even + 1], turn[even + 1, even] = sine, -sine
    turned: VectorArray = (basis @ turn @ basis.T).astype(np.float32)
    return turned


def _reweighted(traffic: Traffic, rng: np.random.Generator, m: int) -> NDArray[np.int64]:
    topics = traffic.pool.topics
    known = np.flatnonzero(topics != (-1 if traffic.without is None else traffic.without))
    names = rng.permutation(np.unique(topics[known]))
    weights = np.full(len(traffic.pool.topic_names), 1.0 - LEAN)
    weights[names[: len(names) // 2]] = 1.0 + LEAN
    reach = np.cumsum(weights[topics[known]])
    places = np.searchsorted(reach, rng.random(m) * reach[-1], side="right")
    asked: NDArray[np.int64] = known[np.minimum(places, len(known) - 1)]
    return asked
