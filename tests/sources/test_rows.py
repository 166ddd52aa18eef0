from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Record, Rejection
from monitor.sources.row_fields import RowFormat
from monitor.sources.rows import RowReader

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(minutes=15)
NOW = END + timedelta(minutes=1)
ALL = {
    name: name for name in ("id", "at", "text", "vector", "model", "hits", "scores", "segments", "feedback")
}
GOOD = {
    "id": "q1",
    "at": START,
    "text": "how?",
    "vector": [1.0, 0.0],
    "model": "m",
    "hits": ["a"],
    "scores": [0.5],
    "segments": {"tenant": "acme"},
    "feedback": {"clicked": 1},
}
REASONS = {
    "missing_id", "bad_id", "missing_time", "bad_time", "naive_timestamp", "future_time", "bad_text",
    "bad_vector", "bad_hits", "bad_scores", "bad_model", "bad_segments", "bad_feedback",
}  # fmt: skip


def _reader(columns: dict[str, Any] = ALL, now: datetime = NOW, **options: Any) -> RowReader:
    return RowReader(columns, RowFormat(**{"timezone": None, **options}), START, END, now)


def _read(
    row: dict[str, Any], reader: RowReader | None = None
) -> tuple[Record | None, tuple[Rejection, ...]]:
    reader = reader or _reader()
    return reader.read([row.get(name) for name in reader.names], "log:1")


def test_a_whole_row() -> None:
    record, rejections = _read(GOOD)
    assert rejections == ()
    assert record is not None
    assert (record.id, record.at, record.text, record.model) == ("q1", START, "how?", "m")
    assert (record.hits, record.scores) == (("a",), (0.5,))
    assert (record.segments, record.feedback) == ({"tenant": "acme"}, {"clicked": 1.0})
    assert record.vector is not None
    assert record.vector.dtype == np.float32


def test_a_row_with_the_two_that_are_needed() -> None:
    record, rejections = _read({"id": 1, "at": START})
    assert record == Record("1", START)
    assert rejections == ()


def test_columns_that_serve_two_fields_are_fetched_once() -> None:
    columns = {
        "id": "id",
        "at": "at",
        "text": "q",
        "segments": {"query": "q"},
        "feedback": {"up": "u", "down": "d"},
    }
    reader = _reader(columns)
    assert reader.names == ("id", "at", "q", "u", "d")
    record, _ = _read({"id": "1", "at": START, "q": "how?", "u": 2, "d": None}, reader)
    assert record is not None
    assert record.segments == {"query": "how?"}
    assert record.feedback == {"up": 2.0}


@pytest.mark.parametrize(
    ("offset", "there"), [(timedelta(0), True), (END - START, False), (-timedelta(microseconds=1), False)]
)
def test_the_window_is_half_open(offset: timedelta, *, there: bool) -> None:
    record, rejections = _read({**GOOD, "at": START + offset})
    assert (record is not None) is there
    assert rejections == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "missing_id"),
        ({"id": 1.5}, "bad_id"),
        ({"at": None}, "missing_time"),
        ({"at": "soon"}, "bad_time"),
        ({"at": "2026-03-02T00:00:00"}, "naive_timestamp"),
        ({"text": 7}, "bad_text"),
        ({"vector": "x"}, "bad_vector"),
        ({"hits": "x"}, "bad_hits"),
    ],
)
def test_an_unusable_row_is_one_rejection(change: dict[str, Any], reason: str) -> None:
    record, rejections = _read({**GOOD, **change})
    assert record is None
    assert [(r.reason, r.where) for r in rejections] == [(reason, "log:1")]


@pytest.mark.parametrize(
    ("change", "reason", "field", "left"),
    [
        ({"scores": [0.5, 0.4]}, "bad_scores", "scores", None),
        ({"model": 7}, "bad_model", "model", None),
        ({"segments": "x"}, "bad_segments", "segments", {}),
        ({"segments": {"a": "b", "c": []}}, "bad_segments", "segments", {"a": "b"}),
        ({"feedback": [1]}, "bad_feedback", "feedback", {}),
        ({"feedback": {"a": "yes", "b": 1}}, "bad_feedback", "feedback", {"b": 1.0}),
    ],
)
def test_a_row_is_kept_without_the_part_that_is_wrong(
    change: dict[str, Any], reason: str, field: str, left: Any
) -> None:
    record, rejections = _read({**GOOD, **change})
    assert record is not None
    assert getattr(record, field) == left
    assert [r.reason for r in rejections] == [reason]


def test_a_column_of_scores_goes_before_scores_inside_hits() -> None:
    hits = [{"id": "a", "score": 0.1}]
    record, _ = _read({**GOOD, "hits": hits})
    assert record is not None
    assert record.scores == (0.5,)
    record, _ = _read({**GOOD, "hits": hits, "scores": None})
    assert record is not None
    assert record.scores == (0.1,)


def test_a_log_of_scores_alone_keeps_them() -> None:
    record, rejections = _read(GOOD, _reader({"id": "id", "at": "at", "scores": "scores"}))
    assert record is not None
    assert record.scores == (0.5,)
    assert rejections == ()


def test_a_time_ahead_of_the_clock_is_rejected() -> None:
    now = START + timedelta(minutes=2)
    for minutes, expected in ((7, 0), (8, 1)):
        _, rejections = _read({**GOOD, "at": START + timedelta(minutes=minutes)}, _reader(now=now))
        assert [r.reason for r in rejections] == ["future_time"] * expected


def test_who_asks_for_a_window_ahead_of_the_clock_gets_it() -> None:
    record, rejections = _read(GOOD, _reader(now=START - timedelta(days=1)))
    assert record is not None
    assert rejections == ()


def test_an_entry_without_a_time_belongs_where_the_one_before_it_does() -> None:
    reader = _reader()
    timeless = {**GOOD, "at": "soon"}
    seen = []
    for at in (START, END, START):
        _read({**GOOD, "at": at}, reader)
        seen.append(len(_read(timeless, reader)[1]))
    assert seen == [1, 0, 1]
    assert len(_read(timeless)[1]) == 1  # none before it: told rather than lost


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=6)  # with halves of pairs


def _near(valid: Any) -> st.SearchStrategy[Any]:
    return st.one_of(JSON, ANY_TEXT, st.lists(ANY_TEXT, max_size=3), st.just(valid))


@given(st.fixed_dictionaries({name: _near(GOOD[name]) for name in ALL}))
def test_no_value_in_any_field_crashes_the_reader(row: dict[str, Any]) -> None:
    record, rejections = _read(row)
    assert {r.reason for r in rejections} <= REASONS
    if record is None:
        # Rejected by one reason, or outside the window by a time that could be read.
        assert len(rejections) == 1 or not isinstance(row["at"], list | dict | bytes | bool | None)
        return
    assert START <= record.at < END
    texts = [
        record.id,
        record.text or "",
        record.model or "",
        *record.hits,
        *record.segments,
        *record.feedback,
    ]
    "".join([*texts, *record.segments.values()]).encode()
    assert record.vector is None or (record.vector.ndim == 1 and record.vector.dtype == np.float32)
    assert record.scores is None or (
        len(record.scores) == len(record.hits) and np.isfinite(record.scores).all()
    )
    assert np.isfinite(list(record.feedback.values())).all()


@given(st.lists(st.sampled_from([*ALL, "none"]), max_size=30), st.data())
def test_every_good_row_among_bad_ones_is_kept_and_every_bad_one_counted(
    spoilt: list[str], data: Any
) -> None:
    reader = _reader()
    kept, counted = 0, Counter[str]()
    for name in spoilt:
        row = dict(GOOD)
        if name != "none":
            row[name] = b"\xff"  # right for no field: a vector would need four bytes
        record, rejections = _read(row, reader)
        kept += record is not None
        counted.update(r.reason for r in rejections)
    losing = Counter(spoilt)
    assert kept == sum(losing[name] for name in ("none", "scores", "model", "segments", "feedback"))
    words = {"at": "bad_time"}
    assert counted == Counter({words.get(n, f"bad_{n}"): c for n, c in losing.items() if n != "none"})
