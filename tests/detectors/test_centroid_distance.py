from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Dispersion
from monitor.baseline.window_profile import profile_queries
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.records import FloatArray, Reading, VectorArray
from monitor.stats.null_laws import log_chi2_sf
from monitor.stats.quadratic_form import log_weighted_chi2_sf
from tests.core_fakes import world


def measure(n: int, new: float = 0.0, seed: int = 0, least: int = 30) -> Reading:
    baseline = world.full_baseline()
    profile = profile_queries(baseline, world.draw(np.random.default_rng(seed), n, new=new))
    return CentroidDistance(least=least).measure(baseline, profile)


def test_the_statistic_is_the_form_of_the_shift_in_units_of_its_mean() -> None:
    baseline = world.full_baseline()
    vectors = world.draw(np.random.default_rng(0), 100)
    reading = CentroidDistance().measure(baseline, profile_queries(baseline, vectors))
    queries = baseline.populations["queries"]
    assert queries.form is not None
    mean = vectors.astype(np.float64).mean(axis=0)
    ratio = queries.form.measure(mean - queries.mean) / (1 / queries.n + 1 / 100)
    assert reading.detail["Q"] == pytest.approx(ratio, rel=1e-4)
    assert reading.dof == queries.form.effective_dimensions
    assert reading.log_p == pytest.approx(log_weighted_chi2_sf(ratio, queries.form.weights), rel=1e-3)
    cosine = mean @ queries.mean / np.linalg.norm(mean) / np.linalg.norm(queries.mean)
    assert reading.value == pytest.approx(1 - cosine, rel=1e-4)
    assert reading.n == 100


def test_a_baseline_of_an_earlier_release_is_read_by_its_two_moments() -> None:
    baseline = world.full_baseline()
    queries = replace(baseline.populations["queries"], form=None, joins=None)
    older = replace(baseline, populations={**baseline.populations, "queries": queries})
    vectors = world.draw(np.random.default_rng(0), 100)
    reading = CentroidDistance().measure(older, profile_queries(older, vectors))
    mean = vectors.astype(np.float64).mean(axis=0)
    t = np.sum((mean - queries.mean) ** 2) / (queries.spread * (1 / queries.n + 1 / 100))
    d = round(queries.effective_dimensions)
    assert reading.statistic == pytest.approx(t * d, rel=1e-5)
    assert math.exp(reading.log_p or 0.0) == pytest.approx(math.exp(log_chi2_sf(t * d, d)), rel=1e-2)


def test_drift_in_a_narrow_direction_is_seen_that_the_euclidean_shift_misses() -> None:
    rng = np.random.default_rng(3)
    scale = np.linspace(1.0, 0.05, 24)
    quiet = [
        replace(world.make_window(rng, 400, f"w{i}", number=i), vectors=_rows(rng, 400, scale))
        for i in range(20)
    ]
    baseline, _ = world.build(quiet, metric="l2")
    queries = baseline.populations["queries"]
    euclidean = replace(baseline, populations={"queries": replace(queries, form=None)})
    moved = _rows(rng, 400, scale)
    moved[:, -1] += 0.04  # four fifths of what is usual in that direction, a 25th of the widest
    profile = profile_queries(baseline, moved)
    found, missed = (CentroidDistance().measure(b, profile).p_value or 0.0 for b in (baseline, euclidean))
    assert found < 1e-4
    assert missed > 0.05


def _rows(rng: np.random.Generator, n: int, scale: FloatArray) -> VectorArray:
    rows: VectorArray = (rng.normal(size=(n, len(scale))) * scale).astype(np.float32)
    return rows


def test_a_new_topic_moves_the_centre_and_more_of_it_moves_it_more() -> None:
    readings = [measure(500, new) for new in (0.0, 0.1, 0.3)]
    shifts = [r.shift for r in readings]
    assert shifts == sorted(shifts)
    assert readings[0].p_value is not None
    assert readings[0].p_value > 0.01
    assert (readings[1].log_p or 0.0) < math.log(1e-4)
    assert shifts[1] > readings[1].effect_floor


def test_the_shown_distance_depends_on_the_sample_and_the_effect_does_not() -> None:
    small = [measure(40, seed=s) for s in range(20)]
    large = [measure(1000, seed=s) for s in range(20)]
    assert np.mean([r.value for r in small]) > 3 * np.mean([r.value for r in large])
    # The effect is net of noise: with equal chance of being below it, many a quiet window shows none at all.
    assert sum(r.shift == 0.0 for r in small) >= 5


def test_quiet_scatter_raises_the_p_value_and_lowers_the_effect() -> None:
    baseline = world.full_baseline()
    profile = profile_queries(baseline, world.draw(np.random.default_rng(0), 300, new=0.05))
    calm = CentroidDistance().measure(baseline, profile)
    wide = replace(baseline, dispersion={"centroid_distance.queries": Dispersion(3.0, 0.5, 30)})
    scattered = CentroidDistance().measure(wide, profile)
    assert scattered.statistic == calm.statistic
    assert (scattered.log_p or 0.0) > (calm.log_p or 0.0)
    assert scattered.shift < calm.shift


def test_fewer_than_the_least_are_insufficient() -> None:
    assert measure(29).status == "insufficient"
    assert measure(30).status == "ok"
    assert measure(30, least=31).status == "insufficient"


def test_vectors_that_cancel_out_have_a_finite_distance_and_are_far() -> None:
    baseline = world.full_baseline()
    pairs = np.concatenate([world.centres(), -world.centres()]).astype(np.float32)
    reading = CentroidDistance().measure(baseline, profile_queries(baseline, np.concatenate([pairs] * 8)))
    assert reading.status == "ok"
    assert 0.0 <= reading.value <= 2.0
    assert (reading.log_p or 0.0) < math.log(1e-4)


def test_few_questions_claim_little_and_many_what_they_find() -> None:
    baseline = world.full_baseline()
    moved = -world.centres()[:1].astype(np.float32)
    few, many = (
        CentroidDistance().measure(baseline, profile_queries(baseline, np.repeat(moved, n, axis=0)))
        for n in (40, 1000)
    )
    assert few.log_p == pytest.approx(-4.0)
    assert few.statistic == pytest.approx(40 * (many.statistic or 0.0) / 1000, rel=0.5)
    assert (many.log_p or 0.0) < -50.0


@pytest.mark.parametrize("options", [{"effect_floor": 1.0}, {"effect_floor": math.nan}, {"least": 1}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        CentroidDistance(**options)  # type: ignore[arg-type]
