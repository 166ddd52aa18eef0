from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.baseline import Baseline, Dispersion
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.detectors.spatial_kl import SpatialKL
from monitor.judge.calibration import LEAST_WINDOWS, calibrate, find_change, find_runs
from monitor.judge.evidence import update_evidence
from monitor.judge.spans import Past, Span, base_key, due_spans, longest, measure_spans
from monitor.judge.verdict import judge
from monitor.profile import merge_all
from monitor.records import Evidence, Reading
from tests.core_fakes import world

CENTROID = Span(CentroidDistance(), 4)
KEY = "centroid_distance.queries_4"


def calibrated(windows: int = 40, span: Span = CENTROID) -> Baseline:
    rng = np.random.default_rng(1)
    quiet = [world.make_window(rng, 200, f"w{i}", number=i) for i in range(windows)]
    baseline, parts = world.build(quiet)
    profiles = [world.make_profile(baseline, w) for w in quiet]
    return calibrate(baseline, profiles, parts, [span.detector], [span])


def drifting(baseline: Baseline, count: int, new: float, first: int = 100, seed: int = 2) -> list[Past]:
    rng = np.random.default_rng(seed)
    windows = [world.make_window(rng, 200, f"d{i}", new=new, number=first + i) for i in range(count)]
    return [Past(w.window, world.make_profile(baseline, w)) for w in windows]


def test_a_span_is_a_stream_of_its_own() -> None:
    assert (CENTROID.name, CENTROID.signal, CENTROID.key) == ("centroid_distance", "queries_4", KEY)
    assert base_key(KEY) == "centroid_distance.queries"
    assert base_key("score_psi.scores_mean") == "score_psi.scores_mean"
    for windows in (1, 1001):
        with pytest.raises(ValueError, match="2 to 1000"):
            Span(CentroidDistance(), windows)


@pytest.mark.parametrize(("windows", "stride"), [(2, 1), (4, 1), (8, 1), (32, 4)])
def test_a_span_is_due_once_in_an_eighth_of_itself(windows: int, stride: int) -> None:
    span = Span(CentroidDistance(), windows)
    assert span.stride == stride
    due = [span.due(world.span(i)) for i in range(4 * stride)]
    assert sum(due) == 4
    assert [i % stride for i, now in enumerate(due) if now] == [due.index(True)] * 4


def test_only_calibrated_spans_are_due() -> None:
    window = world.span(3)
    assert due_spans([CENTROID], calibrated(), window) == (CENTROID,)
    few = 4 * (LEAST_WINDOWS - 1)
    assert due_spans([CENTROID], calibrated(few), window) == ()
    assert (longest([CENTROID, Span(CentroidDistance(), 8)]), longest([])) == (8, 0)


def test_a_span_measures_the_merged_windows() -> None:
    baseline = calibrated()
    *past, now = drifting(baseline, 4, 0.03)
    (reading,) = measure_spans([CENTROID], baseline, now.window, now.profile, past)
    merged = merge_all(baseline.basis, [p.profile for p in (*past, now)])
    known = replace(baseline, dispersion={"centroid_distance.queries": baseline.dispersion[KEY]})
    alone = CentroidDistance().measure(known, merged)
    assert reading == replace(alone, signal="queries_4", alone=True)
    assert reading.n == 800


def test_windows_outside_the_span_or_of_another_baseline_are_left_out() -> None:
    baseline = calibrated()
    *past, now = drifting(baseline, 8, 0.0)
    foreign = Past(past[-1].window, replace(past[-1].profile, basis="other"))
    for handed, n in ((past, 800), ([], 200), ([*past[:-1], foreign], 600), ([now, *past], 800)):
        (reading,) = measure_spans([CENTROID], baseline, now.window, now.profile, handed)
        assert reading.n == n


def test_a_span_of_which_too_few_windows_are_there_says_nothing() -> None:
    baseline = calibrated()
    *past, now = drifting(baseline, 4, 0.5)
    for handed, status in ((past[2:], "insufficient"), (past[1:], "ok"), (past, "ok")):
        (reading,) = measure_spans([CENTROID], baseline, now.window, now.profile, handed)
        assert reading.status == status
        assert (reading.signal, reading.alone) == ("queries_4", True)
        assert reading.n == 200 * (len(handed) + 1)
        assert (reading.log_p is None) == (status == "insufficient")


def test_small_drift_adds_up_over_a_span() -> None:
    baseline = calibrated(160, Span(CentroidDistance(), 16))
    span = Span(CentroidDistance(), 16)
    *past, now = drifting(baseline, 16, 0.03)
    (together,) = measure_spans([span], baseline, now.window, now.profile, past)
    single = [CentroidDistance().measure(baseline, p.profile) for p in (*past, now)]
    assert (together.log_p or 0.0) < math.log(1e-8)
    assert float(np.median([r.log_p or 0.0 for r in single])) > math.log(1e-3)
    assert together.shift > together.effect_floor


def test_quiet_spans_stay_quiet() -> None:
    baseline = calibrated(160)
    alarms = 0
    for seed in range(200):
        *past, now = drifting(baseline, 4, 0.0, seed=100 + seed)
        (reading,) = measure_spans([CENTROID], baseline, now.window, now.profile, past)
        alarms += (reading.log_p or 0.0) < math.log(0.05)
    assert alarms <= 20


def test_runs_are_whole_spans_of_history_end_to_end() -> None:
    rng = np.random.default_rng(1)
    numbers = [*range(8), *range(9, 12), 14, *range(16, 20)]
    quiet = [world.make_window(rng, 60, f"w{i}", number=i) for i in numbers]
    _, parts = world.build(quiet)
    runs = find_runs(parts, 4)
    assert [[numbers[i] for i in places] for places in runs] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [9, 10, 11],
        [16, 17, 18, 19],
    ]
    assert find_runs([], 4) == []


def reading(log_p: float, *, alone: bool, effect: float = 1.0) -> Reading:
    return Reading(
        "centroid_distance", "queries_8", 0.1, 100, log_p=log_p, effect=effect, effect_floor=0.1, alone=alone
    )


def test_a_p_value_that_stands_alone_is_not_added_to_earlier_ones() -> None:
    once = update_evidence((), [reading(-5.0, alone=True)], 10.0)
    again = update_evidence(once, [reading(-5.0, alone=True)], 10.0)
    assert [e.log_e for e in (*once, *again)] == [5.0, 5.0]
    assert not again[0].firing
    assert update_evidence((), [reading(-10.5, alone=True)], 10.0)[0].firing
    assert not update_evidence((), [reading(-10.5, alone=True, effect=0.01)], 10.0)[0].firing


def test_what_a_span_has_found_stands_until_it_is_measured_again() -> None:
    firing = Evidence("centroid_distance", "queries_8", 12.0, firing=True)
    (kept,) = update_evidence([firing], [], 10.0, idle={firing.key})
    assert kept == firing
    assert update_evidence([firing], [], 10.0) == ()


def test_a_span_names_the_cause_of_its_population_and_itself() -> None:
    quiet = Reading("centroid_distance", "queries", 0.0, 100, log_p=-0.1)
    canary = Reading("canary", "canary", 0.0, 64, threshold=1e-3)
    evidence = [Evidence("centroid_distance", "queries_8", 12.0, firing=True)]
    verdict = judge([quiet, canary], evidence)
    assert (verdict.state, verdict.cause) == ("drift", "questions")
    assert "centroid_distance.queries_8" in verdict.causes[0].because
    assert "centroid_distance.queries" not in verdict.causes[0].because


def test_a_change_within_the_span_of_a_baseline_is_dated() -> None:
    rng = np.random.default_rng(5)
    quiet = [world.make_window(rng, 200, f"w{i}", number=i) for i in range(64)]
    moved = [*quiet[:40], *(world.make_window(rng, 200, f"m{i}", new=0.1, number=i) for i in range(40, 64))]
    found = []
    for windows in (quiet, moved):
        baseline, parts = world.build(windows)
        found.append(find_change(baseline, parts))
    assert found[0] is None
    assert found[1] is not None
    assert abs(found[1] - world.span(40).start) <= timedelta(minutes=15) * 4
    assert find_change(*world.build(quiet[:10])) is None


def test_the_dispersion_of_a_span_is_its_own() -> None:
    baseline = replace(calibrated(), dispersion={KEY: Dispersion(3.0, 1.0, 20)})
    *past, now = drifting(baseline, 4, 0.05)
    wide, narrow = (
        measure_spans([CENTROID], b, now.window, now.profile, past)[0]
        for b in (baseline, replace(baseline, dispersion={KEY: Dispersion(1.0, 1.0, 20)}))
    )
    assert (wide.log_p or 0.0) > (narrow.log_p or 0.0)
    kl = Span(SpatialKL(), 4)
    assert due_spans([kl], baseline, now.window) == ()
