from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.detectors.reported_scores import ReportedScores
from monitor.profile import counts_profile
from monitor.records import Reading
from tests.core_fakes import world


def measure(compared: int, disagree: int, before: tuple[int, int] = (5000, 5)) -> Reading:
    ordinary = {"scores.compared": before[0], "scores.disagree": before[1]}
    baseline = replace(world.full_baseline(), ordinary=ordinary)
    profile = counts_profile(baseline.basis, scores__compared=compared, scores__disagree=disagree)
    return ReportedScores().measure(baseline, profile)


def test_scores_that_no_longer_follow_from_the_vectors_fire() -> None:
    reading = measure(600, 600)
    assert reading.value == 1.0
    assert reading.shift >= (reading.threshold or 9.0)
    assert not reading.harmful


def test_scores_as_ever_do_not() -> None:
    assert measure(600, 3).shift == 0.0
    assert measure(30, 1).shift < 0.2


def test_scores_that_never_agreed_tell_nothing() -> None:
    """A re-ranker's scores follow from no vectors."""
    assert measure(600, 600, before=(5000, 5000)).status == "insufficient"
    assert measure(600, 600, before=(29, 0)).status == "insufficient"
    assert measure(29, 29).status == "insufficient"


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"least": 0}, {"agreed": 1.5}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ReportedScores(**options)
