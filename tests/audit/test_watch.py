from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.audit import read_history
from monitor.audit.scene import stand_still
from monitor.audit.watch import State, Tally, Watch
from monitor.judge.spans import Past
from monitor.pipeline import History, hand_on, walk
from monitor.profile import merge
from monitor.records import Reading
from monitor.wiring import wire_spans
from tests.audit.conftest import DETECTORS, Quiet
from tests.core_fakes import rag

LOOKS_AT_MORE = frozenset({"index_recall", "reported_scores", "ingest_gap", "foreign_vectors"})


def test_it_judges_as_the_pipeline_does() -> None:
    """Readings, evidence and verdict of windows in drift, where index, suite and canaries really stand still."""
    log = rag.quiet_log() + tuple(
        r for number in range(24, 28) for r in rag.ask(number, topics=rag.TOPICS[:2])
    )
    collection = rag.Service(log).collection()
    baseline, windows = rag.quiet_baseline().baseline, rag.windows(4, first=24)
    collection = replace(collection, spans=wire_spans(collection.detectors, [2, 4]))
    watch = Watch(baseline, collection.detectors, 9.0, collection.spans)
    state, past = State(), History()
    still = stand_still(baseline)
    for window, own in zip(windows, read_history(collection, baseline, windows, seed=1), strict=True):
        outcome = walk(window, collection, baseline, 1, past, threshold=9.0)
        past = hand_on(outcome, past)
        state = watch.judge(state, Past(window, merge(own.profile, still)))
        told = {r.key: r for r in outcome.readings}
        for reading in state.readings:
            if reading.detector in LOOKS_AT_MORE:
                continue  # what stands still was never asked about it
            assert reading.status == told[reading.key].status
            assert reading.value == pytest.approx(told[reading.key].value, abs=1e-6), reading.key
            assert reading.log_p == pytest.approx(told[reading.key].log_p), reading.key
        assert [e.firing for e in state.evidence] == [e.firing for e in outcome.evidence or ()]
        assert state.verdict == outcome.verdict
    assert state.open


class Told:
    """Says the p-value that the number of sampled records stands for."""

    name = "told"
    signal = "queries"

    def __init__(self) -> None:
        self.asked = 0

    def measure(self, baseline: object, profile: object) -> Reading:
        self.asked += 1
        return Reading(self.name, self.signal, 1.0, 100, log_p=-40.0)


def test_a_window_that_comes_again_is_measured_once(quiet: Quiet) -> None:
    detector = Told()
    watch = Watch(quiet.baseline, (detector,), 9.0)
    seen = Past(quiet.windows[0].window, quiet.windows[0].profile)
    tally = Tally()
    tally.replay(watch, [seen] * 5)
    assert detector.asked == 1
    assert (tally.windows, tally.incidents, dict(tally.states)) == (5, 1, {"drift": 5})
    assert tally.fired == {"told.queries": 1}
    assert len(tally.log_p["told.queries"]) == 5


def test_windows_in_which_no_test_of_the_log_speaks_are_mute(quiet: Quiet) -> None:
    watch = Watch(quiet.baseline, DETECTORS, 9.0)
    tally = Tally()
    window = quiet.windows[0].window
    profiles = [stand_still(quiet.baseline)] * 3 + [quiet.windows[0].profile]
    tally.replay(watch, [Past(window, profile) for profile in profiles])
    assert (tally.windows, tally.mute) == (4, 3)
