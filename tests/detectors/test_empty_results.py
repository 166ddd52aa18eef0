from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy import stats

from monitor.detectors.empty_results import EmptyResults
from monitor.profile import counts_profile
from monitor.records import Reading
from tests.core_fakes import world


def measure(empty: int, n: int, before: tuple[int, int] = (20, 2000)) -> Reading:
    baseline = replace(world.full_baseline(), empty_answers=before)
    profile = counts_profile(baseline.basis, scores__empty=empty, scores__answers=n - empty)
    return EmptyResults().measure(baseline, profile)


def test_the_p_value_is_binomial_around_the_baseline_and_its_own_uncertainty() -> None:
    reading = measure(30, 500)
    expected = 20.5 / 2001
    upper = expected + math.sqrt(expected * (1 - expected) / 2000)
    assert reading.log_p == pytest.approx(stats.binom.logsf(29, 500, upper), rel=1e-9)
    assert reading.value == 0.06
    assert reading.shift == pytest.approx(0.06 - expected)
    assert reading.harmful


def test_the_usual_share_is_quiet_and_more_is_not() -> None:
    assert (measure(5, 500).log_p or 0.0) > math.log(0.1)
    assert (measure(50, 500).log_p or 0.0) < math.log(1e-12)


def test_fewer_empty_answers_are_no_harm() -> None:
    reading = measure(0, 500, before=(1000, 2000))
    assert reading.log_p == reading.shift == 0.0


def test_a_log_that_names_no_hits_never_fires() -> None:
    reading = measure(500, 500, before=(2000, 2000))
    assert (reading.log_p or 0.0) > math.log(0.5)
    assert reading.shift < 1e-3


def test_the_first_empty_answers_ever_are_finite_evidence() -> None:
    reading = measure(500, 500, before=(0, 2000))
    assert reading.log_p is not None
    assert -1e4 < reading.log_p < math.log(1e-100)


@pytest.mark.parametrize(("n", "total"), [(29, 2000), (500, 29)])
def test_too_little_on_either_side_is_insufficient_and_stays_harmful(n: int, total: int) -> None:
    # An incident that this stream holds open is not less severe because nobody asked for a while.
    reading = measure(0, n, before=(0, total))
    assert (reading.status, reading.harmful) == ("insufficient", True)


@pytest.mark.parametrize("options", [{"effect_floor": 1.0}, {"effect_floor": -0.1}, {"least": 0}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        EmptyResults(**options)  # type: ignore[arg-type]
