from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Baseline
from monitor.baseline.window_profile import profile_canaries
from monitor.detectors.canary import Canary
from monitor.profile import Profile, merge
from monitor.records import Reading
from tests.core_fakes import world


def with_floor(floor: float) -> Baseline:
    baseline = world.full_baseline()
    assert baseline.canary is not None
    return replace(baseline, canary=replace(baseline.canary, floor=floor))


def moved(*distances: float, replays: int = 1) -> Profile:
    rows = np.zeros(16)
    rows[: len(distances)] = distances
    return Profile(
        world.full_baseline().basis,
        {"canary.replays": np.array([replays])},
        {"canary.distance": rows * replays},
    )


def fires(reading: Reading) -> bool:
    assert reading.threshold is not None
    return reading.shift >= reading.threshold


def test_nothing_moved() -> None:
    reading = Canary().measure(with_floor(0.0), moved())
    assert (reading.value, reading.n, reading.status) == (0.0, 16, "ok")
    assert not fires(reading)
    assert not reading.harmful
    assert reading.log_p is None


def test_a_mean_beyond_the_warning_fires_and_beyond_the_page_it_is_harm() -> None:
    calm, warned, paged = (Canary().measure(with_floor(0.0), moved(*[d] * 16)) for d in (9e-5, 9e-4, 1.1e-3))
    assert (fires(calm), fires(warned), fires(paged)) == (False, True, True)
    assert (warned.harmful, paged.harmful) == (False, True)
    assert warned.threshold == warned.effect_floor == 1e-4
    assert paged.value == pytest.approx(1.1e-3)


def test_one_text_beyond_the_worst_is_harm_though_the_mean_is_small() -> None:
    below, above = (Canary().measure(with_floor(0.0), moved(d)) for d in (0.9e-2, 1.1e-2))
    assert fires(below)
    assert (below.harmful, above.harmful) == (False, True)
    assert above.value < 1e-3
    assert above.detail["largest"] == pytest.approx(1.1e-2)


def test_one_text_that_moved_a_little_is_nothing() -> None:
    assert not fires(Canary().measure(with_floor(0.0), moved(0.9e-3)))


def test_a_noisy_endpoint_is_given_its_own_noise() -> None:
    noisy = with_floor(5e-3)
    reading = Canary().measure(noisy, moved(*[0.04] * 16))
    assert reading.threshold == pytest.approx(0.05)
    assert not fires(reading)
    assert fires(Canary().measure(noisy, moved(*[0.06] * 16)))
    assert fires(Canary(noise_factor=2.0).measure(noisy, moved(*[0.04] * 16)))
    assert not fires(Canary(noise_factor=2.0).measure(noisy, moved(0.009)))


def test_replays_are_averaged() -> None:
    once = Canary().measure(with_floor(0.0), moved(2e-3, 4e-3))
    twice = Canary().measure(with_floor(0.0), merge(moved(2e-3, 4e-3), moved(2e-3, 4e-3)))
    assert twice == once


def graded(levels: float, replays: int = 1) -> Profile:
    return Profile(
        world.full_baseline().basis,
        {"canary.replays": np.array([replays]), "canary.graded": np.array([replays])},
        {"canary.distance": np.zeros(16), "canary.levels": np.full(16, levels * replays)},
    )


def test_vectors_of_eight_bits_are_known_by_their_few_values() -> None:
    rng = np.random.default_rng(3)
    fine = with_floor(0.0)
    assert fine.canary is not None
    stored = rng.normal(size=(16, 384)).astype(np.float32)
    fine = replace(fine, canary=replace(fine.canary, vectors=stored))
    rounded = np.round(stored / np.abs(stored).max() * 127).astype(np.float32)
    bf16 = (stored.view(np.uint32) & 0xFFFF0000).view(np.float32)  # cut after 8 bits of fraction, as bf16 is
    heard = [Canary().measure(fine, profile_canaries(fine, vectors)) for vectors in (rounded, bf16, stored)]
    assert [fires(reading) for reading in heard] == [True, False, False]
    assert [reading.harmful for reading in heard] == [False] * 3
    assert heard[0].detail["levels"] == pytest.approx(115, abs=15)
    assert "levels" not in heard[1].detail
    # Who stored rounded vectors has not been rounded since.
    assert fine.canary is not None
    coarse = replace(fine, canary=replace(fine.canary, vectors=rounded))
    assert not fires(Canary().measure(coarse, profile_canaries(coarse, rounded)))


@pytest.mark.parametrize(("floor", "warn"), [(2e-4, 1e-4), (0.0, 1e-3)])
def test_rounding_is_a_warning_where_both_limits_are_one(floor: float, warn: float) -> None:
    reading = Canary(warn=warn).measure(with_floor(floor), graded(2))
    assert reading.detail["levels"] == 2
    assert reading.threshold == reading.detail["harm_at"]
    assert fires(reading)
    assert not reading.harmful


def test_levels_are_of_the_windows_that_counted_them() -> None:
    baseline = with_floor(0.0)
    assert baseline.canary is not None
    d = baseline.canary.vectors.shape[1]
    before = moved(0.0)  # a release before kept distances alone
    assert "levels" not in Canary().measure(baseline, merge(graded(d), before)).detail
    assert "levels" not in Canary().measure(baseline, merge(graded(d), graded(d))).detail
    assert Canary().measure(baseline, merge(graded(2), graded(2))).detail["levels"] == 2
    assert Canary().measure(baseline, merge(graded(2), before)).detail["levels"] == 2


@pytest.mark.parametrize(
    "options",
    [
        {"warn": 0.0},
        {"page": 1e-5},
        {"worst": 1e-4},
        {"worst": math.inf},
        {"noise_factor": 0.5},
        {"noise_factor": math.inf},
    ],
)
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Canary(**options)
