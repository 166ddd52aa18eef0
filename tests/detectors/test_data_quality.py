from __future__ import annotations

import math

import pytest

from monitor.baseline import Baseline
from monitor.detectors.data_quality import DataQuality
from monitor.profile import counts_profile
from monitor.records import Reading

NOTHING = Baseline("docs", "basis", 3, "cosine", "similarity", 5, 0, 0)


def measure(*, bad_vectors: float = 0.05, **counts: int) -> Reading:
    given = {"records__seen": 100, "records__sampled": 100, **counts}
    return DataQuality(bad_vectors).measure(NOTHING, counts_profile("basis", **given))


def test_good_data_is_good() -> None:
    reading = measure()
    assert (reading.status, reading.value, reading.n) == ("ok", 0.0, 100)
    assert reading.log_p is reading.threshold is None


@pytest.mark.parametrize("kind", ["nonfinite", "zero", "wrong_dimension"])
def test_bad_vectors_make_a_window_invalid(kind: str) -> None:
    five, six = ({f"queries__{kind}": count} for count in (5, 6))
    assert measure(bad_vectors=0.05, **five).status == "ok"
    reading = measure(bad_vectors=0.05, **six)
    assert reading.status == "invalid"
    assert reading.value == reading.detail["bad_vectors_share"] == pytest.approx(0.06)
    assert reading.detail[kind] == 6.0


def test_kinds_of_bad_vectors_add_up() -> None:
    assert measure(queries__nonfinite=2, queries__zero=2, queries__wrong_dimension=2).status == "invalid"


def test_rejected_entries_count_against_all_that_came() -> None:
    assert measure(records__rejected=25).status == "ok"
    reading = measure(records__rejected=26)
    assert reading.status == "invalid"
    assert reading.n == 126
    assert reading.detail["rejected_share"] == pytest.approx(26 / 126)


def test_a_log_of_nothing_but_rejected_entries_is_invalid() -> None:
    reading = measure(records__seen=0, records__sampled=0, records__rejected=9)
    assert (reading.status, reading.value) == ("invalid", 1.0)


def test_missing_texts_and_vectors_are_tolerated_longer() -> None:
    assert measure(queries__missing=50).status == "ok"
    assert measure(queries__missing=51).status == "invalid"


def test_limits_are_options() -> None:
    assert measure(queries__zero=1).status == "ok"
    assert measure(bad_vectors=0.001, queries__zero=1).status == "invalid"


def test_an_empty_log_says_nothing() -> None:
    assert measure(records__seen=0, records__sampled=0).status == "insufficient"


def test_duplicates_are_told() -> None:
    assert measure(records__duplicates=7).detail["duplicates"] == 7.0


@pytest.mark.parametrize("name", ["bad_vectors", "rejected", "missing"])
@pytest.mark.parametrize("value", [0.0, 1.1, math.nan])
def test_bad_options_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        DataQuality(**{name: value})


def test_scores_that_are_no_numbers_make_a_window_invalid() -> None:
    assert measure(scores__answers=80, scores__nonfinite=4).status == "ok"
    reading = measure(scores__answers=80, scores__nonfinite=5)
    assert reading.status == "invalid"
    assert reading.value == pytest.approx(5 / 80)
    assert reading.detail["bad_scores_share"] == pytest.approx(5 / 80)


@pytest.mark.parametrize("kind", ["nonfinite", "zero"])
def test_new_documents_without_a_usable_vector_make_a_window_invalid(kind: str) -> None:
    assert measure(corpus__n=95, **{f"corpus__{kind}": 5}).status == "ok"
    reading = measure(corpus__n=94, **{f"corpus__{kind}": 6})
    assert reading.status == "invalid"
    assert reading.detail["bad_documents_share"] == pytest.approx(0.06)
    assert measure(**{f"corpus__{kind}": 30}).value == 1.0


def test_good_data_tells_of_no_scores_and_no_documents() -> None:
    assert not {"bad_scores_share", "bad_documents_share"} & set(
        measure(corpus__n=40, scores__answers=90).detail
    )
