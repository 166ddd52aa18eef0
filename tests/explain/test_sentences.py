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


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (
            Reading("log_shape", "queries", 2.0, 300, threshold=1.0, detail={"worst": "no_scores"}),
            "the log carries something else: 2.0 times the limit (hits come without scores, fires at 1; n = 300)",
        ),
        (
            Reading(
                "corpus_turnover",
                "corpus",
                0.6,
                400,
                threshold=0.2,
                detail={"new_share": 0.6, "gone_share": 0.5, "sources_kept": 1.0},
            ),
            (
                "60.0% of the documents are new, or gone (60.0% new, 50.0% gone, 100% of the new ones of known "
                "sources, fires at 0.2; n = 400)"
            ),
        ),
        (
            Reading("ingest_gap", "corpus", 4.0, 40, threshold=3.0, detail={"silent_hours": 48.0}),
            "no new document for 4.0 times the longest gap there was (48.0 hours, fires at 3; n = 40)",
        ),
        (
            Reading(
                "index_recall", "index", 0.8, 400, effect_floor=0.02, effect=0.2, detail={"baseline": 1.0}
            ),
            (
                "the index finds 80.0% of what exact search finds (1 in the baseline, an effect of 0.2, counts from "
                "0.02; n = 400)"
            ),
        ),
    ],
    ids=lambda given: given.detector if isinstance(given, Reading) else "",
)
def test_what_a_new_detector_saw_is_said_in_plain_words(reading: Reading, said: str) -> None:
    assert tell_reading(reading) == said


def test_a_loss_of_recall_is_split_into_its_parts() -> None:
    detail = {"loss": 0.3, "loss_ann": 0.05, "loss_embedding": 0.2, "loss_relevance": 0.05}
    said = tell_reading(Reading("recall_at_k", "suite", 0.6, 40, detail=detail))
    assert (
        "of the loss of 0.300: 0.050 by the index (approximate search), 0.200 by the questions' embedding, "
        "0.050 by what the documents are"
    ) in said
    assert "loss" not in tell_reading(Reading("recall_at_k", "suite", 0.9, 40, detail={"loss": 0.0}))


def test_an_invalid_window_says_why() -> None:
    verdict = Verdict(
        "invalid", "warning", (Cause("logging", 0.8, ("data_quality.queries",)),), problems=("x",)
    )
    told = tell(verdict, ())
    assert told.headline.startswith("Invalid")
    assert "writes the log" in told.causes[0].next_step


def test_a_span_says_how_many_windows_it_is_of() -> None:
    reading = Reading("centroid_distance", "queries_32", 0.01, 32_000, log_p=-20.0, effect_floor=0.003)
    cause = Cause("questions", 0.85, ("centroid_distance.queries_32", "spatial_kl.queries_8"))
    told = tell(Verdict("drift", "warning", (cause,), cause.because), (reading,))
    assert "questions of the last 32 windows together" in told.causes[0].because[0]
    assert "has fired before" in told.causes[0].because[1]
