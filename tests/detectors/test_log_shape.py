from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.detectors.log_shape import LogShape
from monitor.profile import counts_profile, merge
from monitor.records import Reading
from tests.core_fakes import world

USUAL = {
    "records.smallest": 100,
    "records.sampled": 4000,
    "records.seen": 4000,
    "records.entries": 4000,
    "records.rejected": 4,
    "records.no_text": 0,
    "records.no_vector": 4000,
    "records.duplicates": 0,
    "scores.answers": 4000,
    "scores.missing": 40,
}


def window(**changes: int) -> dict[str, int]:
    counts = {name.replace(".", "__"): 0 for name in USUAL if name != "records.smallest"}
    usual = {"records__windows": 1, "records__sampled": 200, "records__seen": 200, "records__entries": 200}
    return {**counts, **usual, "records__no_vector": 200, "scores__answers": 200, **changes}


def measure(windows: int = 1, **changes: int) -> Reading:
    baseline = replace(world.full_baseline(), ordinary=USUAL)
    profile = counts_profile(baseline.basis, **window(**changes))
    for _ in range(windows - 1):
        profile = merge(profile, counts_profile(baseline.basis, **window(**changes)))
    return LogShape().measure(baseline, profile)


def test_the_usual_log_is_quiet() -> None:
    assert measure().shift < 1.0
    assert measure(windows=5).shift < 1.0
    # What the log never carried is not missed, and a few of what may happen are ordinary.
    assert measure(scores__missing=6, records__rejected=2, records__entries=202).shift < 1.0


@pytest.mark.parametrize(
    ("worst", "changes"),
    [
        ("no_scores", {"scores__missing": 90}),
        ("no_text", {"records__no_text": 60}),
        ("duplicates", {"records__duplicates": 80}),
        ("rejected", {"records__rejected": 40, "records__entries": 240}),
        ("volume", {"records__entries": 10, "records__seen": 10, "records__sampled": 10}),
        ("volume", {"records__entries": 0, "records__seen": 0, "records__sampled": 0}),
    ],
)
def test_a_change_of_the_log_is_named(worst: str, changes: dict[str, int]) -> None:
    reading = measure(**changes)
    assert reading.shift >= (reading.threshold or 9.0)
    assert reading.detail["worst"] == worst


def test_three_of_forty_may_be_chance() -> None:
    few = {"records__entries": 40, "records__seen": 40, "records__sampled": 40, "records__no_vector": 40}
    assert measure(**few, records__rejected=3).shift < 1.0


def test_a_service_that_logs_a_handful_is_insufficient() -> None:
    baseline = replace(world.full_baseline(), ordinary={**USUAL, "records.smallest": 20})
    reading = LogShape().measure(baseline, counts_profile(baseline.basis, **window(records__entries=0)))
    assert reading.status == "insufficient"


@pytest.mark.parametrize("options", [{"share": 0.0}, {"rejected": 2.0}, {"collapse": 0.5}, {"least": 0}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        LogShape(**options)
