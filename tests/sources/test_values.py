from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.values import (
    FlawError,
    parse_json,
    read_feedback,
    read_hits,
    read_id,
    read_scores,
    read_segment,
    read_text,
    read_time,
    read_vector,
    read_zone,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HALF_A_PAIR = "\ud800"


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
        "2026-03-02T12:00:00Z",
        "2026-03-02T12:00:00.000+00:00",
        "2026-03-02 13:00:00+01:00",
        NOON.timestamp(),
        int(NOON.timestamp()),
        int(NOON.timestamp() * 1000),
        Decimal(int(NOON.timestamp())),
    ],
)
def test_every_form_of_a_moment_is_the_same_moment_in_utc(value: Any) -> None:
    moment = read_time(value, None)
    assert moment == NOON
    assert moment.tzinfo is UTC


def test_a_naive_time_takes_the_zone_of_the_source() -> None:
    assert read_time("2026-03-02 13:00:00", ZoneInfo("Europe/Berlin")) == NOON
    assert read_time(datetime(2026, 3, 2, 12), UTC) == NOON  # noqa: DTZ001  the point of the test


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing_time"),
        ("2026-03-02 12:00:00", "naive_timestamp"),
        ("yesterday", "bad_time"),
        ("", "bad_time"),
        (True, "bad_time"),
        (math.nan, "bad_time"),
        (math.inf, "bad_time"),
        (10**400, "bad_time"),
        (Decimal("sNaN"), "bad_time"),
        ([2026, 3, 2], "bad_time"),
        ("0001-01-01T00:00:00+14:00", "bad_time"),
    ],
)
def test_a_time_that_cannot_be_read_says_why(value: Any, reason: str) -> None:
    with pytest.raises(FlawError) as caught:
        read_time(value, None)
    assert caught.value.reason == reason


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(ValueError, match="'Mars/Olympus' is not a time zone"):
        read_zone("Mars/Olympus")


@pytest.mark.parametrize(
    ("value", "identifier"),
    [
        ("q1", "q1"),
        (7, "7"),
        (0, "0"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("ключ", "ключ"),
    ],
)
def test_ids_become_text(value: Any, identifier: str) -> None:
    assert read_id(value) == identifier


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing_id"),
        ("", "missing_id"),
        (1.0, "bad_id"),
        (True, "bad_id"),
        ({}, "bad_id"),
        (HALF_A_PAIR, "bad_id"),
        (b"q1", "bad_id"),
        (-(1 << 1025), "bad_id"),
    ],
)
def test_what_is_no_id_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(FlawError) as caught:
        read_id(value)
    assert caught.value.reason == reason


def test_text_is_text_or_nothing() -> None:
    assert read_text(None) is None
    assert read_text("où est-ce ?") == "où est-ce ?"
    for value in (7, b"text", ["text"], HALF_A_PAIR):
        with pytest.raises(FlawError, match="bad_text"):
            read_text(value)


@pytest.mark.parametrize(
    "value",
    [
        [1, 2.5, -3],
        (1.0, 2.5, -3.0),
        "[1, 2.5, -3]",
        np.array([1, 2.5, -3]),
        np.array([1, 2.5, -3], dtype="<f4").tobytes(),
        bytearray(np.array([1, 2.5, -3], dtype="<f4").tobytes()),
    ],
)
def test_every_form_of_a_vector_is_the_same_float32(value: Any) -> None:
    vector = read_vector(value)
    assert vector is not None
    assert vector.dtype == np.float32
    assert vector.tolist() == [1.0, 2.5, -3.0]


def test_half_precision_blobs_are_read_as_such() -> None:
    vector = read_vector(np.array([1, 2.5, -3], dtype="<f2").tobytes(), "float16")
    assert vector is not None
    assert vector.dtype == np.float32
    assert vector.tolist() == [1.0, 2.5, -3.0]


@pytest.mark.parametrize("value", ["[NaN, 1]", [math.inf, 1.0], [0, 0], [], b"", [1e300, 0.0], "[1e999]"])
def test_vectors_that_the_profile_counts_are_kept(value: Any) -> None:
    assert read_vector(value) is not None


@pytest.mark.parametrize(
    "value",
    [
        "[1, 2",
        "nearby",
        "{}",
        {"x": 1},
        [[1.0, 2.0]],
        [1.0, [2.0]],
        ["1", "2"],
        [1.0, None],
        [True, False],
        1.0,
        b"abc",
        [10**400],
        "[" * 100_000,
        [HALF_A_PAIR],
    ],
)
def test_what_is_no_vector_is_refused(value: Any) -> None:
    with pytest.raises(FlawError, match="bad_vector"):
        read_vector(value)


@pytest.mark.parametrize(
    ("value", "ids", "scores"),
    [
        (None, (), None),
        ([], (), None),
        (["a", "b"], ("a", "b"), None),
        (("a", 7), ("a", "7"), None),
        ('["a", "b"]', ("a", "b"), None),
        ([{"id": "a", "score": 0.5}, {"id": 2, "score": 0.25}], ("a", "2"), [0.5, 0.25]),
        ('[{"doc_id": "a"}]', ("a",), None),
    ],
)
def test_hits_in_every_form(value: Any, ids: tuple[str, ...], scores: list[float] | None) -> None:
    assert read_hits(value) == (ids, scores)


def test_the_names_inside_hits_are_settings() -> None:
    assert read_hits([{"key": "a", "sim": 0.5}], "key", "sim") == (("a",), [0.5])


@pytest.mark.parametrize(
    "value",
    ["a,b", "7", {"id": "a"}, [None], [1.5], [["a"]], [{"name": "a"}], [""], [HALF_A_PAIR], 7, b"[]", [True]],
)
def test_what_is_no_list_of_hits_is_refused(value: Any) -> None:
    with pytest.raises(FlawError, match="bad_hits"):
        read_hits(value)


def test_scores_are_one_finite_number_per_hit() -> None:
    assert read_scores(None, 2) is None
    assert read_scores([0.5, Decimal("0.25")], 2) == (0.5, 0.25)
    assert read_scores("[1, 0]", 2) == (1.0, 0.0)
    assert read_scores([], 0) == ()
    assert read_scores([0.5], None) == (0.5,)


@pytest.mark.parametrize(
    "value", [[0.5], [0.5, None], [0.5, "0.2"], [0.5, math.nan], [0.5, True], {}, "x", [0.5, 10**400]]
)
def test_what_is_no_list_of_scores_is_refused(value: Any) -> None:
    with pytest.raises(FlawError, match="bad_scores"):
        read_scores(value, 2)


def test_labels() -> None:
    assert [read_segment(v) for v in ("de", 7, True)] == ["de", "7", "true"]
    assert [read_feedback(v) for v in (1, 0.5, True, Decimal("0.5"))] == [1.0, 0.5, 1.0, 0.5]
    strange: tuple[Any, ...] = (0.5, [], HALF_A_PAIR)
    for value in strange:
        with pytest.raises(FlawError, match="bad_segments"):
            read_segment(value)
    for value in ("yes", math.nan, [1]):
        with pytest.raises(FlawError, match="bad_feedback"):
            read_feedback(value)


def test_a_flaw_never_quotes_the_value() -> None:
    typed = "my account number is 4711"  # what a user may ask
    for read in (lambda: read_hits(typed), lambda: read_vector(typed), lambda: read_time(typed, UTC)):
        with pytest.raises(FlawError) as caught:
            read()
        assert "4711" not in json.dumps(caught.value.args)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.text(" \t\r\n", max_size=3),
    st.text(" \t\r\n", max_size=3),
)
def test_json_may_have_blanks_around_it(value: Any, before: str, after: str) -> None:
    assert parse_json(before + json.dumps(value) + after, "bad") == value


@pytest.mark.parametrize("text", ["", " ", "[1] x", "x [1]", "[1", "\ufeff[1]", "[" * 100_000])
def test_what_is_no_json_is_a_flaw(text: str) -> None:
    with pytest.raises(FlawError):
        parse_json(text, "bad_hits")
