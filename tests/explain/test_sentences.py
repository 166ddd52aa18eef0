from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.explain import CAUSES, tell
from monitor.explain.sentences import tell_reading
from monitor.judge import attribution
from monitor.judge.runner import measure_all
from monitor.records import Cause, Reading, Verdict
from monitor.wiring import wire_detectors
from tests.core_fakes.world import full_baseline, make_profile, quiet_windows

ROOT = Path(__file__).parents[2]


def test_every_cause_has_a_meaning_and_a_place_in_the_runbook() -> None:
    source = Path(attribution.__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'Cause\(\s*"(\w+)"', source))
    assert len(named) >= 10
    assert named == set(CAUSES)
    runbook = (ROOT / "docs" / "runbooks" / "DriftDetected.md").read_text(encoding="utf-8")
    assert named == set(re.findall(r"^\| `(\w+)` \|", runbook, re.MULTILINE))


def test_a_push_is_told_with_what_stood_still() -> None:
    readings = (
        Reading("canary", "canary", 0.059, 64, threshold=0.001, harmful=True),
        Reading("persistent_vectors", "corpus", 0.0, 200, threshold=0.01),
        Reading("spatial_kl", "queries", 0.001, 900, log_p=-0.4, effect_floor=0.02),
        Reading("era_recall", "index", 0.0, 0, status="insufficient"),
    )
    verdict = Verdict(
        "drift", "critical", (Cause("model_query_side", 0.98, ("canary.canary",)),), ("canary.canary",)
    )
    told = tell(verdict, readings)
    assert told.headline == "Drift, critical (users are served worse): model_query_side."
    (cause,) = told.causes
    assert cause.because == (
        "canary texts are embedded elsewhere: a mean of 1 - cos of 0.059 (fires at 0.001; n = 64)",
    )
    # What fired is no control, and neither is what was not measured.
    assert told.stood == ("the stored document vectors", "the questions")


def test_several_causes_are_several() -> None:
    verdict = Verdict("drift", "warning", (Cause("corpus_shift", 0.9), Cause("questions", 0.7)), ("x.y",))
    told = tell(verdict, ())
    assert told.headline.endswith("corpus_shift and 1 more cause.")
    assert [c.name for c in told.causes] == ["corpus_shift", "questions"]


def test_a_cause_of_a_later_release_is_still_told() -> None:
    told = tell(Verdict("drift", "warning", (Cause("moon_phase", 0.5, ("a.b",)),), ("a.b",)), ())
    assert told.causes[0].name == "moon_phase"
    assert told.causes[0].because == ("a.b",)


@pytest.mark.parametrize("state", ["quiet", "invalid", "insufficient"])
def test_states_without_drift(state: str) -> None:
    told = tell(Verdict(state, problems=("the mend",)), ())  # type: ignore[arg-type]
    assert told.headline.lower().startswith(state)
    assert told.problems == ("the mend",)


def test_every_detector_has_its_sentence() -> None:
    baseline = full_baseline()
    data = quiet_windows()[0]
    profile = make_profile(baseline, data)
    for reading in measure_all(wire_detectors({}), baseline, profile):
        said = tell_reading(reading)
        if reading.detector != "data_quality":
            assert reading.key not in said, said
