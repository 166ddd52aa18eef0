"""Do the charts work? Drift of a known size is injected into synthetic traffic; quiet traffic must stay quiet."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from monitor.baseline import Baseline
from monitor.baseline.window_profile import profile_queries
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.detectors.score_psi import ScorePSI
from monitor.detectors.spatial_kl import SpatialKL
from monitor.judge.evidence import Budget, update_evidence
from monitor.judge.runner import measure_all
from monitor.profile import Profile, merge
from monitor.records import Evidence, FloatArray, Reading, VectorArray
from monitor.stats.histogram import count_bins
from tests.core_fakes import world

pytestmark = pytest.mark.power

DETECTORS = (CentroidDistance(), SpatialKL(), ScorePSI())
RUNS = 300
THRESHOLD = Budget().log_threshold(world.QUARTER, 15)


@cache
def baseline() -> Baseline:
    """20,000 records: twenty times the largest window."""
    rng = np.random.default_rng(100)
    return world.build([world.make_window(rng, 1000, f"w{i}") for i in range(20)])[0]


def window(
    rng: np.random.Generator, m: int, *, new: float = 0.0, scores: FloatArray | None = None
) -> Profile:
    queries = profile_queries(baseline(), world.draw(rng, m, new=new))
    top1 = rng.normal(0.7, 0.06, size=m) if scores is None else scores  # as world.make_records draws them
    counted = count_bins(top1, baseline().score_edges["top1"])
    return merge(queries, Profile(baseline().basis, {"scores.top1": counted}))


def measure(profile: Profile) -> tuple[Reading, ...]:
    return measure_all(DETECTORS, baseline(), profile)


def fires(reading: Reading) -> bool:
    return update_evidence((), [reading], THRESHOLD)[0].firing


@cache
def null_p_values(m: int) -> FloatArray:
    rng = np.random.default_rng(m)
    return np.array([[r.p_value for r in measure(window(rng, m))] for _ in range(RUNS)], dtype=np.float64)


@pytest.mark.parametrize("level", [0.01, 0.05])
@pytest.mark.parametrize("m", [50, 200, 1000])
@pytest.mark.parametrize("which", range(3), ids=[d.name for d in DETECTORS])
def test_quiet_windows_alarm_as_often_as_they_say(which: int, m: int, level: float) -> None:
    alarms = int((null_p_values(m)[:, which] <= level).sum())
    low, high = (float(stats.binom.ppf(q, RUNS, level)) for q in (1e-4, 1 - 1e-4))
    assert low <= alarms <= high, f"{alarms} of {RUNS} at {level}"


def test_a_tenth_of_a_new_topic_is_found_in_one_window() -> None:
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(20):
        centroid, cells, _ = measure(window(rng, 1000, new=0.1))
        found += fires(centroid) or fires(cells)
    assert found >= 18


def test_a_smaller_share_is_found_in_a_few_windows() -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        evidence: tuple[Evidence, ...] = ()
        windows = 0
        while not any(e.firing for e in evidence):
            evidence = update_evidence(evidence, measure(window(rng, 1000, new=0.05)), THRESHOLD)
            windows += 1
            assert windows < 15


def answer_scores(queries: VectorArray) -> FloatArray:
    documents = world.draw(np.random.default_rng(3), 3000)
    return np.asarray((queries @ documents.T).max(axis=1), dtype=np.float64)


def test_scores_of_a_rotated_model_are_found() -> None:
    rng = np.random.default_rng(4)
    old = answer_scores(world.draw(rng, 20_000))
    turn = world.random_turn()
    edges = np.quantile(old[:10_000], np.arange(1, 10) / 10)
    reference = count_bins(old[10_000:], edges)
    scored = Baseline(
        "docs", "rotated", world.D, "cosine", "similarity", 5, 20, 20_000,
        score_edges={"top1": edges}, score_counts={"top1": reference},
    )  # fmt: skip

    def look(queries: VectorArray) -> Reading:
        counts = {"scores.top1": count_bins(answer_scores(queries), edges)}
        return ScorePSI().measure(scored, Profile("rotated", counts))

    for _ in range(5):
        queries = world.draw(rng, 500)
        assert fires(look(queries @ turn))
        assert not fires(look(queries))


@pytest.mark.parametrize(("shift", "shrink"), [(-0.03, 1.0), (0.0, 0.95), (0.0, 1.05)])
def test_scores_that_shift_or_shrink_are_found(shift: float, shrink: float) -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(20):
        scores = (rng.normal(0.7, 0.06, size=1000) + shift) * shrink
        found += fires(measure(window(rng, 1000, scores=scores))[2])
    assert found >= 18


@pytest.mark.parametrize("seed", range(3))
def test_a_quiet_run_never_fires(seed: int) -> None:
    rng = np.random.default_rng(600 + seed)
    evidence: tuple[Evidence, ...] = ()
    highest = -math.inf
    for _ in range(300):
        evidence = update_evidence(evidence, measure(window(rng, 200)), THRESHOLD)
        assert not any(e.firing for e in evidence)
        highest = max(highest, *(e.log_e for e in evidence))
    assert highest < THRESHOLD
