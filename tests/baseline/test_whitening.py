from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.baseline.features import add_features
from monitor.baseline.whitening import Whitening
from monitor.profile import merge
from tests.core_fakes import world

WHITENING = Whitening()


def test_other_vectors_have_unit_spread_in_every_direction_but_those_that_hardly_vary() -> None:
    parameters = world.full_baseline().features["whitening"].parameters
    assert parameters["directions"].shape == (world.D, world.D)
    fresh = world.draw(np.random.default_rng(3), 4000)
    coordinates = (fresh - parameters["centre"]) @ parameters["directions"].T
    spread = coordinates.var(axis=0)
    assert 0.7 < float(spread.min()) < float(spread.max()) < 1.15
    assert abs(float(parameters["means"].sum()) / float(spread.sum()) - 1.0) < 0.03
    assert float(np.abs(np.corrcoef(coordinates.T) - np.eye(world.D)).max()) < 0.1


def test_its_tally_adds_up() -> None:
    baseline = world.full_baseline()
    parameters = baseline.features["whitening"].parameters
    window = world.quiet_windows()[0]
    first, second = (
        replace(window, vectors=window.vectors[rows]) for rows in (slice(0, 70), slice(70, None))
    )
    whole = WHITENING.tally(baseline, parameters, window)
    parts = merge(WHITENING.tally(baseline, parameters, first), WHITENING.tally(baseline, parameters, second))
    assert whole.count("whitening.n") == parts.count("whitening.n") == 200
    np.testing.assert_allclose(whole.sums["whitening.sizes"], parts.sums["whitening.sizes"], rtol=1e-5)


def test_vectors_without_direction_are_passed_over_and_lengths_do_not_matter() -> None:
    baseline = world.full_baseline()
    parameters = baseline.features["whitening"].parameters
    window = world.quiet_windows()[0]
    spoilt = window.vectors * 3.0
    spoilt[:5], spoilt[5:8] = np.nan, 0.0
    tally = WHITENING.tally(baseline, parameters, replace(window, vectors=spoilt))
    good = WHITENING.tally(baseline, parameters, replace(window, vectors=window.vectors[8:]))
    assert tally.count("whitening.n") == 192
    np.testing.assert_allclose(tally.sums["whitening.sizes"], good.sums["whitening.sizes"], rtol=1e-4)


def test_too_few_vectors_are_not_whitened() -> None:
    windows = [world.make_window(np.random.default_rng(0), 80, "w")]
    baseline = world.full_baseline()
    assert WHITENING.fit(baseline, windows[0]) is None
    assert WHITENING.fit(baseline, world.make_window(np.random.default_rng(0), 200, "w")) is not None


def test_the_same_windows_give_the_same_whitening() -> None:
    one, other = (
        add_features(*world.build(world.quiet_windows()), world.quiet_windows(), (WHITENING,))[0]
        for _ in range(2)
    )
    assert one.basis == other.basis
