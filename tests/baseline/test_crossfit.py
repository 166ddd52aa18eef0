from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from monitor.baseline import Baseline, WindowData
from monitor.baseline.crossfit import cross_forms, with_unseen_form
from monitor.baseline.law import shift_law
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.judge.calibration import calibrate
from tests.core_fakes import world

KEY = "centroid_distance.queries"
D = 192


def night(rng: np.random.Generator, number: int, prefix: str) -> WindowData:
    """Sessions of two or so questions about nearly the same, each session about something else."""
    turns = rng.geometric(0.5, 45)
    wishes = np.repeat(rng.normal(size=(45, D)) * np.linspace(2.0, 0.2, D), turns, axis=0)
    vectors = (wishes + 0.2 * rng.normal(size=wishes.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    records = world.make_records(rng, vectors, prefix)
    return WindowData(world.make_sample(records), vectors, tuple(r.id for r in records), world.span(number))


@cache
def scatter(seed: int) -> tuple[float, float, float]:
    """What calibration finds without and with crossed forms, and what later windows show."""
    rng = np.random.default_rng(seed)
    past = [night(rng, number, f"p{number}") for number in range(30)]
    baseline, held = world.build(past)
    profiles = [world.make_profile(baseline, w) for w in past]
    forms = cross_forms(past, normalise=True)
    seen, unseen = (
        calibrate(baseline, profiles, held, [CentroidDistance()], crossed=crossed).dispersion[KEY].factor
        for crossed in ({}, forms)
    )
    later = [
        CentroidDistance().measure(baseline, world.make_profile(baseline, night(rng, 50 + i, f"l{i}")))
        for i in range(60)
    ]
    return seen, unseen, float(np.mean([(r.statistic or 0.0) / (r.dof or 1.0) for r in later]))


def test_windows_scatter_as_later_ones_do_under_a_form_that_has_not_seen_them() -> None:
    found = np.array([scatter(seed) for seed in range(4)])
    seen, unseen = (found[:, :2] / found[:, 2:]).mean(axis=0)
    assert seen < 0.92  # what the baseline's own form promises is too little
    # Half of the windows fit a coarser form, under which they scatter a little more, never less.
    assert 0.99 < unseen < 1.1


def test_each_half_has_the_form_of_the_other() -> None:
    rng = np.random.default_rng(3)
    past = [night(rng, number, f"p{number}") for number in range(9)]
    forms = cross_forms(past, normalise=True)
    earlier, later = forms[past[0].window], forms[past[-1].window]
    assert [forms[w.window] is earlier for w in past] == [True] * 4 + [False] * 5
    assert all(forms[w.window] is later for w in past[4:])
    baseline, _ = world.build(past)

    def form_for(*windows: WindowData) -> object:
        return shift_law(
            with_unseen_form(baseline, forms, [w.window for w in windows]).populations["queries"]
        )

    assert form_for(past[0]) is earlier
    assert form_for(*past[3:7]) is later  # most of them are in the later half
    assert form_for(night(rng, 99, "x")) is shift_law(baseline.populations["queries"])


def test_too_few_vectors_have_no_crossed_forms() -> None:
    rng = np.random.default_rng(3)
    past = [night(rng, number, f"p{number}") for number in range(2)]
    assert cross_forms(past, normalise=True) == {}
    assert cross_forms(past[:1], normalise=True) == {}
    assert cross_forms([], normalise=True) == {}
    unchanged: Baseline = world.full_baseline()
    assert with_unseen_form(unchanged, {}, [past[0].window]) is unchanged


def test_a_baseline_without_a_form_is_given_none() -> None:
    rng = np.random.default_rng(3)
    past = [night(rng, number, f"p{number}") for number in range(9)]
    baseline, _ = world.build(past)
    formless = replace(baseline.populations["queries"], form=None)  # as an earlier release took it
    old = replace(baseline, populations={**baseline.populations, "queries": formless})
    forms = cross_forms(past, normalise=True)
    assert with_unseen_form(old, forms, [past[0].window]) is old
