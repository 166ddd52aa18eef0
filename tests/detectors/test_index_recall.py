from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from monitor.detectors.index_recall import IndexRecall
from monitor.profile import counts_profile
from monitor.records import Reading
from tests.core_fakes import world


def measure(asked: int, found: int, before: tuple[int, int] = (1000, 980)) -> Reading:
    ordinary = {"index.asked": before[0], "index.found": before[1]}
    baseline = replace(world.full_baseline(), ordinary=ordinary)
    return IndexRecall().measure(
        baseline, counts_profile(baseline.basis, index__asked=asked, index__found=found)
    )


def test_the_p_value_is_binomial_around_the_baselines_loss() -> None:
    reading = measure(500, 460)
    expected = 20.5 / 1001
    upper = expected + math.sqrt(expected * (1 - expected) / 1000)
    assert reading.log_p == pytest.approx(stats.binom.logsf(39, 500, upper), rel=1e-9)
    assert (reading.value, reading.harmful) == (0.92, True)
    assert reading.shift == pytest.approx(0.08 - expected)


def test_the_usual_loss_of_an_approximate_index_is_quiet() -> None:
    assert (measure(500, 490).log_p or 0.0) > math.log(0.1)
    assert measure(500, 500).shift == 0.0


def test_too_few_neighbours_are_insufficient() -> None:
    assert measure(29, 0).status == "insufficient"
    assert measure(500, 0, before=(29, 29)).status == "insufficient"


@pytest.mark.parametrize("options", [{"effect_floor": 1.0}, {"least": 0}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        IndexRecall(**options)
