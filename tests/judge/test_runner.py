from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest

from monitor.baseline import Baseline
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.judge.runner import measure_all
from monitor.profile import Profile, zero
from monitor.records import Reading
from tests.core_fakes import world


@dataclass(frozen=True)
class Returns:
    """A third party's detector that returns whatever it was given."""

    reading: Any
    name: str = "third_party"
    signal: str = "queries"

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        if isinstance(self.reading, Exception):
            raise self.reading
        return self.reading  # type: ignore[no-any-return]


def run(reading: Any) -> Reading:
    baseline = world.full_baseline()
    return measure_all([Returns(reading)], baseline, zero(baseline.basis))[0]


def given(**fields: Any) -> Reading:
    return Reading("third_party", "queries", **{"value": 0.5, "n": 9, **fields})


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (RuntimeError("secret of the record"), "RuntimeError"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (None, "AttributeError"),
        ("a text", "AttributeError"),
        (given(value="many"), "TypeError"),
    ],
)
def test_a_detector_that_fails_harms_no_other_and_says_what_happened(wrong: Any, error: str) -> None:
    baseline = world.full_baseline()
    profile = world.make_profile(baseline, world.make_window(np.random.default_rng(0), 60, "m"))
    good = CentroidDistance()
    first, failed, last = measure_all([good, Returns(wrong), good], baseline, profile)
    assert first == last == good.measure(baseline, profile)
    assert (failed.key, failed.status, failed.value, failed.n) == ("third_party.queries", "invalid", 0.0, 0)
    assert failed.detail == {"error": error}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32(np.nan)])
@pytest.mark.parametrize("field", ["value", "effect", "effect_floor", "threshold"])
def test_a_number_that_is_not_finite_makes_the_reading_invalid(field: str, bad: float) -> None:
    reading = run(given(**{field: bad}))
    assert (reading.status, reading.value, reading.log_p) == ("invalid", 0.0, None)
    assert "NaN" not in json.dumps(asdict(reading))
    assert "Infinity" not in json.dumps(asdict(reading))


@pytest.mark.parametrize("log_p", [math.nan, 0.5, math.inf])
def test_what_is_no_log_p_value_is_invalid(log_p: float) -> None:
    assert run(given(log_p=log_p)).status == "invalid"


def test_certainty_stays_finite_and_rounding_above_one_is_one() -> None:
    assert run(given(log_p=-math.inf)).log_p == -1e6
    assert run(given(log_p=1e-12)).log_p == 0.0


def test_details_that_are_not_finite_are_left_out() -> None:
    reading = run(given(detail={"good": 1.0, "word": "fine", "bad": math.nan, "worse": np.float64(np.inf)}))
    assert (reading.status, reading.detail) == ("ok", {"good": 1.0, "word": "fine"})


def test_numpy_scalars_become_plain_numbers() -> None:
    reading = run(
        given(
            value=np.float32(0.5),
            n=np.int64(9),
            log_p=np.float64(-1.0),
            effect=np.float32(0.25),
            statistic=np.float32(2.0),
            dof=np.int64(3),
            effect_floor=np.float32(0.0),
            detail={"cells": np.int64(8)},
        )
    )
    assert json.loads(json.dumps(asdict(reading)))["value"] == 0.5
    assert {type(getattr(reading, f)) for f in ("value", "log_p", "effect", "statistic", "dof")} == {float}
    assert type(reading.n) is int


def test_a_sound_reading_is_left_as_it_is() -> None:
    reading = given(log_p=-3.0, statistic=2.0, dof=1.0, effect=0.1, threshold=None, detail={"x": 1.0})
    assert run(reading) == reading


def test_no_one_may_swallow_an_interrupt() -> None:
    @dataclass(frozen=True)
    class Interrupted:
        name: str = "x"
        signal: str = "queries"

        def measure(self, baseline: Baseline, profile: Profile) -> Reading:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_all([Interrupted()], world.full_baseline(), zero("b"))
