from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.baseline import Baseline, Dispersion, WindowData
from monitor.baseline.counts import WindowCounts
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.detectors.data_quality import DataQuality
from monitor.detectors.score_psi import ScorePSI
from monitor.detectors.spatial_kl import SpatialKL
from monitor.judge.calibration import LEAST_WINDOWS, calibrate, fit_dispersion, leave_out
from monitor.judge.runner import measure_all
from monitor.profile import Profile
from monitor.protocols import Detector
from monitor.records import Reading
from tests.core_fakes import world

DETECTORS: tuple[Detector, ...] = (CentroidDistance(), SpatialKL(), ScorePSI(), DataQuality())
CHARTS = ("centroid_distance.queries", "spatial_kl.queries", "score_psi.scores")
M = 160


def session_window(rng: np.random.Generator, prefix: str, queries: int, number: int = 0) -> WindowData:
    """A window whose records come in sessions of so many queries: about one thing, with scores alike."""
    sessions = math.ceil(M / queries)
    topics = world.centres()[rng.integers(0, world.TOPICS, sessions)]
    wishes = topics + rng.normal(scale=0.12, size=topics.shape)
    vectors = world.unit(np.repeat(wishes, queries, axis=0)[:M] + rng.normal(scale=0.04, size=(M, world.D)))
    level = np.repeat(rng.normal(0.7, 0.06, sessions), queries)[:M] + rng.normal(0.0, 0.02, M)
    records = world.make_records(rng, vectors, prefix)
    records = tuple(replace(r, scores=(float(s),)) for r, s in zip(records, level, strict=True))
    return WindowData(world.make_sample(records), vectors, tuple(r.id for r in records), world.span(number))


@dataclass(frozen=True)
class History:
    plain: Baseline
    calibrated: Baseline
    held: tuple[WindowCounts, ...]
    later: tuple[Profile, ...]


@cache
def history(queries: int, windows: int = 40) -> History:
    rng = np.random.default_rng(17)
    past = [session_window(rng, f"past{i}", queries, i) for i in range(windows)]
    plain, held = world.build(past)
    calibrated = calibrate(plain, [world.make_profile(plain, w) for w in past], held, DETECTORS)
    later = [session_window(rng, f"later{i}", queries) for i in range(120)]
    return History(plain, calibrated, held, tuple(world.make_profile(plain, w) for w in later))


def readings(baseline: Baseline, profile: Profile) -> dict[str, Reading]:
    return {r.key: r for r in measure_all(DETECTORS, baseline, profile)}


def alarms(baseline: Baseline, queries: int, level: float) -> dict[str, float]:
    """How often a later quiet window has a p-value of at most ``level``."""
    found = [readings(baseline, p) for p in history(queries).later]
    return {key: float(np.mean([(f[key].log_p or 0.0) <= math.log(level) for f in found])) for key in CHARTS}


def test_sessions_raise_false_alarms_and_calibration_takes_them_back() -> None:
    plain, calibrated = (alarms(b, 4, 0.01) for b in (history(4).plain, history(4).calibrated))
    assert plain["centroid_distance.queries"] > 0.5
    assert plain["spatial_kl.queries"] > 0.5
    assert plain["score_psi.scores"] > 0.1
    # Of 120 windows at 1%: six or fewer, but for one time in a hundred; PSI is granted what its fit may be off by.
    assert calibrated["centroid_distance.queries"] <= 6 / 120
    assert calibrated["spatial_kl.queries"] <= 6 / 120
    assert calibrated["score_psi.scores"] <= 10 / 120


def test_independent_records_are_left_to_the_analytic_law() -> None:
    calibrated = history(1).calibrated
    assert set(calibrated.dispersion) == set(CHARTS)
    # The variance of 40 ratios is known to some 25%; the factor is known to 5%.
    assert all(1.0 <= d.factor < 1.2 and d.share > 0.5 for d in calibrated.dispersion.values())
    assert all(rate <= 6 / 120 for rate in alarms(calibrated, 1, 0.01).values())


def test_the_factor_is_the_size_of_a_session_or_less() -> None:
    dispersion = history(4).calibrated.dispersion
    assert 2.5 < dispersion["centroid_distance.queries"].factor < 4.0
    assert all(d.windows == 40 for d in dispersion.values())


def test_cells_are_as_coarse_as_sessions_make_them() -> None:
    alone, sessions = history(1), history(4)
    cells = [
        readings(b, p)["spatial_kl.queries"].detail["cells"]
        for b, p in (
            (alone.calibrated, alone.later[0]),
            (sessions.plain, sessions.later[0]),
            (sessions.calibrated, sessions.later[0]),
        )
    ]
    assert cells == [13, 13, 8]  # 160 questions; 40 sessions are too few for more


def test_a_window_left_out_had_no_part_in_the_baseline() -> None:
    whole = history(1)
    for i in (0, 7):
        rest = leave_out(whole.plain, whole.held[i])
        others = [h for j, h in enumerate(whole.held) if j != i]
        queries = rest.populations["queries"]
        assert queries.n == sum(h.n for h in others)
        np.testing.assert_allclose(
            queries.mean, np.sum([h.total for h in others], axis=0) / queries.n, atol=1e-12
        )
        np.testing.assert_array_equal(queries.cells, np.sum([h.cells for h in others], axis=0))
        for name, counts in rest.score_counts.items():
            np.testing.assert_array_equal(counts, np.sum([h.scores[name] for h in others], axis=0))


def test_leaving_out_the_only_window_leaves_the_baseline() -> None:
    baseline, held = world.build([world.make_window(np.random.default_rng(0), 300, "w")])
    assert leave_out(baseline, held[0]) is baseline


def test_few_windows_are_left_to_the_analytic_law() -> None:
    for windows, calibrated in ((LEAST_WINDOWS - 1, False), (LEAST_WINDOWS, True)):
        assert bool(history(4, windows).calibrated.dispersion) == calibrated


def test_calibration_changes_nothing_but_the_dispersion() -> None:
    both = history(4)
    assert replace(both.calibrated, dispersion={}) == both.plain
    assert both.plain.dispersion == {}


@given(
    st.lists(st.floats(0.0, 1e6), min_size=2, max_size=50),
    st.floats(0.5, 500.0),
)
def test_every_history_gives_a_usable_dispersion(ratios: list[float], dof: float) -> None:
    fitted = fit_dispersion(ratios, dof)
    assert 1.0 <= fitted.factor < math.inf
    assert 0.0 < fitted.share <= 1.0
    assert fitted.windows == len(ratios)


def test_the_fit_recovers_the_law_that_was_drawn_from() -> None:
    rng = np.random.default_rng(0)
    dof, factor, share = 20.0, 3.0, 0.4
    ratios = factor * rng.chisquare(share * dof, size=2000) / (share * dof)
    fitted = fit_dispersion(ratios.tolist(), dof)
    assert fitted.factor == pytest.approx(factor, rel=0.05)
    assert fitted.share == pytest.approx(share, rel=0.1)


def test_windows_that_are_calmer_than_chance_are_not_believed() -> None:
    assert fit_dispersion([0.2] * 30, 9.0) == Dispersion(1.0, 1.0, 30)


def test_an_excess_that_is_chance_is_drawn_to_the_analytic_law_and_a_sure_one_stays() -> None:
    rng = np.random.default_rng(0)
    chance = [fit_dispersion((1.0 + rng.normal(0.0, 0.1, 40)).tolist(), 200.0).factor for _ in range(200)]
    assert float(np.mean(np.array(chance) == 1.0)) > 0.7
    assert max(chance) < 1.05
    for windows in (2, 10, 100):
        sure = fit_dispersion([5.0, 4.0, 6.0, 5.0] * windows, 9.0).factor
        assert sure == pytest.approx(5.0, rel=0.01)
