from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Baseline
from monitor.baseline.window_profile import profile_queries
from monitor.detectors.spatial_kl import SpatialKL
from monitor.judge.calibration import fit_dispersion
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.codebook import merge_cells
from monitor.stats.histogram import js, kl
from monitor.stats.null_laws import likelihood_ratio_two_samples, log_chi2_sf
from tests.core_fakes import world


def measure(n: int, new: float = 0.0, seed: int = 0, least: int = 30) -> Reading:
    baseline = world.full_baseline()
    profile = profile_queries(baseline, world.draw(np.random.default_rng(seed), n, new=new))
    return SpatialKL(least=least).measure(baseline, profile)


@pytest.mark.parametrize(("n", "cells"), [(30, 8), (200, 16), (1000, 32)])
def test_cells_are_merged_to_the_size_of_the_window(n: int, cells: int) -> None:
    assert measure(n).detail["cells"] == cells


def test_the_decision_is_the_likelihood_ratios_and_the_value_is_the_divergence_net_of_its_bias() -> None:
    baseline = world.full_baseline()
    queries = baseline.populations["queries"]
    rng = np.random.default_rng(0)
    window = rng.multinomial(4000, rng.dirichlet(np.full(64, 5.0)))
    profile = Profile(
        baseline.basis,
        {"queries.n": np.array([4000]), "queries.cells": window},
        {"queries.total": np.zeros(world.D)},
    )
    reading = SpatialKL().measure(baseline, profile)
    groups = merge_cells(queries.centroids, queries.cells, 32)
    w = np.bincount(groups, weights=window)
    b = np.bincount(groups, weights=queries.cells)
    statistic, dof = likelihood_ratio_two_samples(w, b)
    assert reading.statistic == pytest.approx(statistic)
    assert reading.dof == dof
    assert reading.log_p == pytest.approx(log_chi2_sf(statistic, dof))
    bias = 31 / 2 * (1 / queries.cells.sum() + 1 / 4000)
    assert reading.value == pytest.approx(kl(w, b) - bias)
    assert reading.detail["js"] == pytest.approx(js(w, b))
    assert reading.detail["largest_gain"] == pytest.approx((w / 4000 - b / b.sum()).max())
    assert reading.detail["largest_loss"] == pytest.approx((w / 4000 - b / b.sum()).min())


def test_the_divergence_of_quiet_windows_is_near_nothing_whatever_their_size() -> None:
    for n in (50, 200, 1000):
        assert np.mean([measure(n, seed=s).value for s in range(20)]) < 0.02


def test_a_change_of_mix_that_keeps_the_mean_is_seen() -> None:
    baseline = world.full_baseline()
    queries = baseline.populations["queries"]
    # All of the mass in half of the cells, and the mean left where it was.
    cells = np.where(np.arange(64) % 2 == 0, queries.cells, 0)
    profile = Profile(
        baseline.basis,
        {"queries.n": np.array([cells.sum()]), "queries.cells": cells},
        {"queries.total": queries.mean * cells.sum()},
    )
    reading = SpatialKL().measure(baseline, profile)
    assert (reading.log_p or 0.0) < math.log(1e-6)
    assert reading.value > reading.effect_floor


def test_a_new_topic_is_seen() -> None:
    reading = measure(1000, new=0.15)
    assert (reading.log_p or 0.0) < math.log(1e-6)
    assert reading.shift > reading.effect_floor


def test_fewer_than_the_least_are_insufficient() -> None:
    assert measure(29).status == "insufficient"
    assert measure(30).status == "ok"


def test_a_population_in_one_cell_has_no_table() -> None:
    same = np.tile(world.centres()[:1], (300, 1))
    window = world.make_window(np.random.default_rng(0), 300, "m")
    baseline, _ = world.build([replace(window, vectors=same)])
    reading = SpatialKL().measure(baseline, profile_queries(baseline, same))
    assert reading.status == "insufficient"


@pytest.mark.parametrize("options", [{"effect_floor": math.inf}, {"effect_floor": math.nan}, {"least": 7}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        SpatialKL(**options)  # type: ignore[arg-type]


def test_in_cells_that_sessions_fill_the_tail_is_what_it_says() -> None:
    plain = world.full_baseline()
    cells = plain.populations["queries"].cells
    rng = np.random.default_rng(4)

    def window() -> Profile:
        """100 questions, in sessions of four on average that stay in one cell."""
        lengths = rng.geometric(0.25, 100)
        asked = np.repeat(rng.choice(64, 100, p=cells / cells.sum()), lengths)[:100]
        counts = {"queries.n": np.array([100]), "queries.cells": np.bincount(asked, minlength=64)}
        return Profile(plain.basis, counts, {"queries.total": np.zeros(world.D)})

    def fit(baseline: Baseline) -> Baseline:
        found = [SpatialKL().measure(baseline, window()) for _ in range(700)]
        ratios = [(r.statistic or 0.0) / (r.dof or 1.0) for r in found]
        return replace(
            baseline, dispersion={"spatial_kl.queries": fit_dispersion(ratios, found[0].dof or 1.0)}
        )

    calibrated = fit(fit(plain))
    assert calibrated.dispersion["spatial_kl.queries"].factor > 4.0
    p = np.array([SpatialKL().measure(calibrated, window()).log_p or 0.0 for _ in range(12_000)])
    assert np.count_nonzero(p < math.log(1e-3)) <= 18  # twelve are due; of Pearson's statistic 21 came
