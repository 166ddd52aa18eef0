from __future__ import annotations

import math
from dataclasses import replace

import pytest

from monitor.audit.findings import Replayed, conclude, find_problems, levels, log_p_at_once, rate, replayed
from monitor.audit.power import HORIZONS, Found
from monitor.audit.shifts import SHIFTS
from monitor.audit.watch import Tally
from monitor.stats.e_values import log_e_value
from monitor.stats.intervals import clopper_pearson

ALLOWED = 1 / 2160


def seen(incidents: int, windows: int, watches_with: int = 1, **states: int) -> Replayed:
    return Replayed(rate(incidents, windows), states or {"quiet": windows}, {}, 12, watches_with)


def tally(*log_p: float, key: str = "chart.queries", incidents: int = 0) -> Tally:
    return Tally(windows=len(log_p), incidents=incidents, log_p={key: list(log_p)})


def test_a_rate_has_the_exact_interval() -> None:
    share = rate(3, 400)
    assert (share.low, share.high) == clopper_pearson(3, 400)
    assert share.share == 3 / 400
    assert rate(0, 0).share == 0.0


@pytest.mark.parametrize(
    ("history", "resampled", "kept"),
    [
        (seen(0, 100), seen(0, 8760), "yes"),
        (seen(0, 100), seen(4, 8760), "unproven"),  # as many as allowed: surely below 1.5 times is not shown
        (seen(0, 100), seen(30, 8760, 9), "no"),
        (seen(0, 100), seen(30, 8760, 1), "unproven"),  # one baseline that was drawn badly
        (seen(1, 40), seen(0, 8760), "no"),
        (seen(1, 100), seen(0, 8760), "yes"),  # one in a hundred windows happens by chance to one in twenty
        (seen(0, 100), seen(0, 500), "unproven"),
        (seen(0, 100), None, "unproven"),
        (seen(3, 100), None, "no"),
    ],
)
def test_whether_the_budget_is_kept(history: Replayed, resampled: Replayed | None, kept: str) -> None:
    assert conclude(ALLOWED, history, resampled, ()) == kept


def test_a_problem_leaves_unproven_what_looked_kept() -> None:
    assert conclude(ALLOWED, seen(0, 100), seen(0, 8760), ["too few records"]) == "unproven"


def test_tallies_are_added() -> None:
    one, other = tally(-1.0, incidents=2), tally(-2.0, -3.0)
    one.states.update(quiet=1)
    other.states.update(quiet=1, drift=1)
    one.fired.update(["chart.queries"])
    together = replayed([one, other])
    assert together.incidents == rate(2, 3)
    assert together.states == {"quiet": 2, "drift": 1}
    assert together.fired == {"chart.queries": 1}
    assert (together.watches, together.watches_with_incident) == (2, 1)


def test_an_honest_stream_keeps_its_level_and_a_broken_one_does_not() -> None:
    honest = [math.log((i + 0.5) / 200) for i in range(200)]
    broken = [3 * log_p for log_p in honest]  # the cube of a p-value: p < 0.05 in 37%
    told = {x.level: x for x in levels([tally(*honest)], [tally(*honest)])}
    assert (told[0.05].history.count, told[0.01].history.count) == (10, 2)
    assert not any(x.broken for x in told.values())
    told = {x.level: x for x in levels([tally(*broken)], [])}
    assert told[0.05].history.share == pytest.approx(0.37, abs=0.01)
    assert all(x.broken for x in told.values())
    assert told[0.05].resampled.of == 0


def test_a_stream_that_stood_still_is_no_test() -> None:
    assert levels([tally(0.0, 0.0, 0.0)], []) == ()


def test_the_p_value_at_once_has_the_threshold_as_its_e_value() -> None:
    for threshold in (1.0, 5.0, 10.3, 30.0):
        assert log_e_value(log_p_at_once(threshold)) == pytest.approx(threshold, rel=1e-6)
    assert log_p_at_once(0.0) < 0.0
    assert log_p_at_once(5000.0) == -700.0


def problems(**changes: object) -> str:
    given: dict[str, object] = {
        "history": seen(0, 48),
        "levels": (),
        "found": (),
        "at_once": -16.0,
        "calibrated": True,
        "resampled": True,
        "unprovoked": 0,
        "runs": 40,
        **changes,
    }
    return "\n".join(find_problems(given.pop("history"), given.pop("levels"), given.pop("found"), **given))  # type: ignore[arg-type]


def test_sound_windows_have_no_problem() -> None:
    assert problems() == ""


def test_windows_that_hold_too_little_are_told() -> None:
    mute = replace(seen(0, 48), mute=40)
    assert "40 of 48 windows hold too few records" in problems(history=mute)
    assert "40 of 48 windows hold bad data" in problems(history=seen(0, 48, invalid=40, quiet=8))


def test_what_is_missing_for_a_proof_is_told() -> None:
    assert "not calibrated" in problems(calibrated=False)
    assert "too few to resample a year" in problems(resampled=False)
    assert "3 of 40 runs find an incident where nothing" in problems(unprovoked=3)
    assert problems(unprovoked=2) == ""


def test_a_broken_stream_is_named_with_its_share() -> None:
    told = problems(levels=levels([tally(*[-6.0] * 30)], []))
    assert (
        "chart.queries does not keep its level: p < 0.01 in 100.0% of 30 quiet windows (88.4% to 100.0%)"
        in told
    )


def test_a_budget_that_asks_more_than_the_windows_can_give_is_told() -> None:
    blind = [Found(s, dict.fromkeys(HORIZONS), (), -6.0) for s in SHIFTS[:2]]
    told = problems(found=blind)
    assert "no shift of the questions is found within 24 windows, however large" in told
    assert "p < 1e-07, and the least that these gave is 0.002" in told
    thin = problems(found=[replace(f, least_log_p=-40.0) for f in blind])
    assert "though some windows say p < 4e-18: at some hours too few questions come" in thin
    seen_late = replace(blind[0], smallest={1: None, 4: None, 24: 0.5})
    assert problems(found=[seen_late, blind[1]]) == ""
