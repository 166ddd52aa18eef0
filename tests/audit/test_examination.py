from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.audit import Audit, Terms, examination, examine
from monitor.audit.examination import folds
from monitor.audit.scene import stand_still
from monitor.audit.shifts import SHIFTS
from monitor.audit.watch import State
from monitor.baseline import Baseline
from monitor.baseline.build import count_half
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.detectors.empty_results import EmptyResults
from monitor.detectors.spatial_kl import SpatialKL
from monitor.errors import BaselineError
from monitor.profile import Profile
from monitor.records import Reading
from tests.audit.conftest import Quiet, hour, make_quiet, quiet_window
from tests.core_fakes import world

CHARTS = (CentroidDistance(), SpatialKL(), EmptyResults())
THRESHOLD = 9.0


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A month for a year, and one kind of shift: the others are tried elsewhere."""
    monkeypatch.setattr(examination, "MOST_RESAMPLED", 720)
    monkeypatch.setattr(examination, "SHIFTS", tuple(s for s in SHIFTS if s.name == "empty_answers"))


def look(quiet: Quiet, *, detectors: Any = CHARTS, allowed: float = 0.01, **changes: Any) -> Audit:
    given = {"baseline": quiet.baseline, "span": quiet.span, "history": quiet.windows, **changes}
    return examine(
        given["baseline"],
        given["span"],
        given["history"],
        Terms(detectors, THRESHOLD, allowed),
        runs=20,
        seed=5,
    )


def test_honest_charts_on_quiet_traffic_keep_the_budget(quiet: Quiet) -> None:
    told: list[tuple[str, int, int]] = []
    found = examine(
        quiet.baseline,
        quiet.span,
        quiet.windows,
        Terms(CHARTS, THRESHOLD, 0.01),
        runs=20,
        seed=5,
        progress=lambda *step: told.append(step),
    )
    assert (found.kept, found.problems) == ("yes", ())
    assert found.history.states == {"quiet": 48}
    assert found.resampled is not None
    assert (found.resampled.incidents.of, found.resampled.watches) == (720, 12)
    assert {level.stream for level in found.levels} == {"centroid_distance.queries", "spatial_kl.queries"}
    assert not any(level.broken for level in found.levels)
    assert all(level.resampled.share < 1.5 * level.level for level in found.levels)
    assert [f.shift.name for f in found.found] == ["empty_answers"]
    assert found == look(quiet)  # the same seed, the same answer
    last = {what: (done, of) for what, done, of in told}
    assert all(done == of for done, of in last.values())
    assert len(last) == 4


class Broken(CentroidDistance):
    """A chart whose null law is wrong: every p-value is the cube of what it should be."""

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        reading = CentroidDistance.measure(self, baseline, profile)
        return replace(reading, log_p=3.0 * (reading.log_p or 0.0))


def test_a_detector_whose_null_is_broken_is_reported(quiet: Quiet) -> None:
    found = look(quiet, detectors=(Broken(), SpatialKL(), EmptyResults()))
    broken = {level.stream for level in found.levels if level.broken}
    assert broken == {"centroid_distance.queries"}
    assert any("centroid_distance.queries does not keep its level" in p for p in found.problems)
    assert found.kept != "yes"


class Nervous(CentroidDistance):
    """A chart that cries in one window of ten."""

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        reading = CentroidDistance.measure(self, baseline, profile)
        loud = (reading.log_p or 0.0) < np.log(0.1)
        return replace(reading, log_p=-60.0 if loud else 0.0, effect=1.0)


def test_false_incidents_beyond_the_budget_are_counted(quiet: Quiet) -> None:
    found = look(quiet, detectors=(Nervous(),), allowed=1e-3)
    assert found.kept == "no"
    assert found.resampled is not None
    assert found.resampled.incidents.low > 1e-3
    assert found.resampled.fired["centroid_distance.queries"] == found.resampled.incidents.count


class Spy:
    """Keeps what it was asked to compare."""

    name = "spy"
    signal = "queries"

    def __init__(self) -> None:
        self.seen: list[tuple[Baseline, Profile]] = []

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        self.seen.append((baseline, profile))
        return Reading(self.name, self.signal, 0.0, 100, log_p=0.0)


def test_no_window_is_judged_by_data_that_contains_it(quiet: Quiet) -> None:
    spy = Spy()
    later = quiet_window(quiet.baseline, hour(500), quiet.data[0], quiet.held[0])
    history = [*quiet.windows, later]
    terms = Terms((spy,), THRESHOLD, 0.01)
    examination._replay(
        quiet.baseline, quiet.span, history, stand_still(quiet.baseline), terms, lambda *_: None
    )
    # What is measured for calibration sees half a day's baseline less a window; what is judged sees the whole half.
    judged = [(b, p) for b, p in spy.seen if "suite.replays" in p.counts]
    assert len(judged) == 49
    for day, others in ((0, slice(24, 48)), (24, slice(0, 24))):
        n = sum(h.n for h in quiet.held[others])
        mean = np.sum([h.total for h in quiet.held[others]], axis=0) / n
        for baseline, _ in judged[day : day + 24]:
            assert baseline.populations["queries"].n == n
            np.testing.assert_allclose(baseline.populations["queries"].mean, mean)
    for i, (_, profile) in enumerate(judged[:48]):
        np.testing.assert_allclose(
            profile.sums["queries.total"], quiet.windows[i].profile.sums["queries.total"]
        )
    assert judged[-1][0] is quiet.baseline  # what came later is judged as it was


def test_history_is_folded_by_days() -> None:
    baseline = make_quiet().baseline
    data, held = make_quiet().data[0], make_quiet().held[0]

    def parts(hours: int) -> list[int]:
        windows = [quiet_window(baseline, hour(i), data, held) for i in range(hours)]
        folded = folds(windows)
        assert [w for part in folded for w in part] == windows
        return [len(part) for part in folded]

    assert parts(47) == [24, 23]
    assert parts(72) == [24, 24, 24]
    assert parts(24 * 14) == [48] * 7
    assert parts(20) == [5, 5, 5, 5]
    assert parts(1) == [1]
    assert folds([]) == []


def test_a_single_window_is_not_judged_by_itself(quiet: Quiet) -> None:
    found = look(quiet, history=quiet.windows[:1])
    assert found.history.incidents.of == 0
    assert found.kept == "unproven"


def test_a_short_history_is_not_stretched_to_a_year(quiet: Quiet) -> None:
    found = look(quiet, history=quiet.windows[:15])
    assert found.resampled is None
    assert found.kept == "unproven"
    assert any("too few to resample a year" in problem for problem in found.problems)


def test_a_baseline_that_was_never_calibrated_is_told(quiet: Quiet) -> None:
    found = look(quiet, baseline=replace(quiet.baseline, dispersion={}))
    assert any("not calibrated" in problem for problem in found.problems)
    assert found.kept != "yes"


def test_windows_that_hold_too_little_are_told() -> None:
    rng = np.random.default_rng(2)
    quiet = make_quiet()
    small = []
    for number in range(20):
        data = world.make_window(rng, 12, f"small{number}")
        held = count_half(quiet.baseline, data)
        small.append(quiet_window(quiet.baseline, hour(number), data, held))
    found = look(quiet, history=small)
    assert found.history.mute == 20
    assert any("20 of 20 windows hold too few records" in problem for problem in found.problems)


def test_history_without_a_question_is_refused(quiet: Quiet) -> None:
    empty = replace(quiet.windows[0], held=replace(quiet.held[0], n=0))
    with pytest.raises(BaselineError, match="none of the 1 windows has a usable query"):
        look(quiet, history=[empty])


def test_a_state_starts_quiet() -> None:
    assert State().verdict.state == "quiet"
    assert not State().open
