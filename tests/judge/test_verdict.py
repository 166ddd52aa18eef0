from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.judge.verdict import judge
from monitor.records import Evidence, Reading

CHART = Reading("centroid_distance", "queries", 0.1, 400, log_p=-0.5)
PROBE = Reading("canary", "canary", 0.0, 64, threshold=1e-3, harmful=True)
ERA = Reading("era_recall", "suite", 0.9, 40, log_p=-0.5, harmful=True)


def firing(*readings: Reading) -> tuple[Evidence, ...]:
    return tuple(Evidence(r.detector, r.signal, 20.0, firing=True) for r in readings)


def changed(reading: Reading, **fields: Any) -> Reading:
    return replace(reading, **fields)


def test_a_window_in_which_nothing_fires_is_quiet() -> None:
    verdict = judge([CHART, PROBE, ERA], [Evidence("centroid_distance", "queries", 3.0)])
    assert (verdict.state, verdict.severity, verdict.fired, verdict.causes) == ("quiet", "none", (), ())
    assert verdict.cause == "none"


def test_a_shift_without_harm_is_a_warning() -> None:
    verdict = judge([CHART, PROBE, ERA], firing(CHART))
    assert (verdict.state, verdict.severity, verdict.cause) == ("drift", "warning", "questions")
    assert verdict.fired == ("centroid_distance.queries",)


@pytest.mark.parametrize("harm", [PROBE, ERA])
def test_harm_is_critical_whatever_else_fires(harm: Reading) -> None:
    assert judge([CHART, PROBE, ERA], firing(harm)).severity == "critical"
    assert judge([CHART, PROBE, ERA], firing(CHART, harm)).severity == "critical"


def test_harm_stays_critical_while_its_detector_has_too_little() -> None:
    silent = changed(ERA, status="insufficient", value=0.0, log_p=None)
    assert judge([CHART, PROBE, silent], firing(ERA)).severity == "critical"


def test_bad_data_is_invalid_and_says_what_is_wrong() -> None:
    bad = Reading(
        "data_quality",
        "queries",
        0.25,
        400,
        status="invalid",
        detail={"bad_vectors_share": 0.25, "rejected_share": 0.0, "missing_share": 0.125, "nonfinite": 100.0},
    )
    verdict = judge([CHART, bad], ())
    assert (verdict.state, verdict.severity, verdict.cause) == ("invalid", "warning", "logging")
    assert verdict.problems == (
        "data_quality.queries: bad vectors 25.0%, missing 12.5%; see `driftmon check` and the column mapping",
    )


def test_a_detector_that_failed_is_named_with_its_error() -> None:
    failed = Reading("third_party", "queries", 0.0, 0, status="invalid", detail={"error": "KeyError"})
    assert judge([CHART, failed], ()).problems == ("detector third_party.queries failed with KeyError",)


def test_a_number_that_was_not_finite_is_a_problem() -> None:
    nan = Reading("third_party", "queries", 0.0, 9, status="invalid")
    assert "a number is not finite" in judge([CHART, nan], ()).problems[0]


def test_drift_beside_bad_data_is_still_drift_and_shows_both() -> None:
    failed = Reading("third_party", "queries", 0.0, 0, status="invalid", detail={"error": "KeyError"})
    verdict = judge([CHART, ERA, failed], firing(ERA))
    assert (verdict.state, verdict.severity) == ("drift", "critical")
    assert len(verdict.problems) == 1


def test_probes_alone_are_too_little() -> None:
    few = changed(CHART, status="insufficient", value=0.0, log_p=None)
    verdict = judge([few, PROBE], ())
    assert (verdict.state, verdict.severity) == ("insufficient", "none")
    assert "too few records" in verdict.problems[0]
    assert judge([], ()).state == "insufficient"


def test_a_probe_that_fires_needs_no_statistics() -> None:
    few = changed(CHART, status="insufficient", value=0.0, log_p=None)
    assert judge([few, PROBE], firing(PROBE)).state == "drift"


def test_a_window_without_any_record_is_not_quiet_however_well_the_suite_does() -> None:
    suite = Reading("recall_at_k", "suite", 0.9, 40, log_p=0.0)
    silent = Reading("data_quality", "queries", 0.0, 0, status="insufficient")
    verdict = judge([silent, suite], [])
    assert verdict.state == "insufficient"
    assert "still being written" in verdict.problems[0]
    assert judge([replace(silent, n=50, status="ok"), suite], []).state == "quiet"


LOG = Reading("log_shape", "queries", 2.0, 400, threshold=1.0)
SPOILT = Reading("data_quality", "queries", 0.4, 400, status="invalid", detail={"worst": "rejected"})


def test_a_log_that_changed_is_drift_where_the_rest_can_be_believed() -> None:
    verdict = judge([CHART, PROBE, LOG], firing(LOG))
    assert (verdict.state, verdict.severity, verdict.cause) == ("drift", "warning", "logging")


def test_a_log_that_changed_is_no_drift_where_its_data_cannot_be_believed() -> None:
    verdict = judge([CHART, LOG, SPOILT], firing(LOG))
    assert (verdict.state, verdict.severity, verdict.cause) == ("invalid", "warning", "logging")
    assert verdict.fired == ("log_shape.queries",)
    assert judge([CHART, PROBE, LOG, SPOILT], firing(LOG, PROBE)).state == "drift"


def test_a_log_of_a_few_records_is_insufficient_and_says_why() -> None:
    few = changed(CHART, status="insufficient", value=0.0, log_p=None)
    verdict = judge([few, LOG, PROBE], firing(LOG))
    assert (verdict.state, verdict.cause) == ("insufficient", "logging")
    assert "too few records" in verdict.problems[0]


def test_bad_documents_are_not_the_logs_doing() -> None:
    verdict = judge([CHART, changed(SPOILT, detail={"worst": "bad_documents"})], ())
    assert (verdict.state, verdict.causes) == ("invalid", ())
