from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Record, Records, Rejection
from monitor.sources import batch
from monitor.sources.row_fields import RowFormat
from monitor.sources.rows import RowReader

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(minutes=15)
COLUMNS = {
    name: name for name in ("id", "at", "text", "vector", "model", "hits", "scores", "segments", "feedback")
}
PLAIN: dict[str, list[Any]] = {
    "id": ["q1", "q2"],
    "at": [START, "2026-03-02T00:14:59.999999", END, None],
    "text": ["how?", None],
    "vector": [b"\0\0\x80?\0\0\0@", None, np.ones(3, dtype=np.float32), "[1, 2]"],
    "model": ["m", None],
    "hits": ['["a", "b"]', None, "[]", ["a", "b"], '[{"id": "a", "score": 1}]'],
    "scores": ["[0.5, 0.25]", None, [0.5, 0.25], "[1, 2]"],
    "segments": [{"tenant": "acme"}, None, '{"tenant": "acme"}'],
    "feedback": [{"clicked": 1}, None],
}
ODD: dict[str, list[Any]] = {
    "id": ["", None, 7, 1.5, "\udc80", "é"],
    "at": [
        "soon",
        10**400,
        START + timedelta(days=1),
        START - timedelta(days=1),
        "2026-03-02T01:05:00+01:00",
        1.5,
    ],
    "text": [7, "\udc80", "wie schön?"],
    "vector": [b"\0", b"", "x", [1.0, "a"], [1.0, 2.0], np.ones(3), np.ones((2, 2), dtype=np.float32), {}],
    "model": [7, "é"],
    "hits": ["x", '["a]', '["b"],["c"]', "[1]", '[""]', "[[]]", '["\udc80"]', "{}", "null", ["é"], [None]],
    "scores": [
        "x",
        "[0.5]",
        "[NaN, 1]",
        "[1e999, 0.5]",
        "[true, false]",
        "[null, 1.0]",
        [float("inf"), 0.5],
        "{}",
    ],
    "segments": ["x", {"a": []}, {"a": 1}, []],
    "feedback": [[1], {"a": "yes"}, {"a": True}],
}


def _values(name: str) -> st.SearchStrategy[Any]:
    return st.one_of(*[st.sampled_from(PLAIN[name])] * 4, st.sampled_from(ODD[name]))


def _reader(columns: dict[str, Any]) -> RowReader:
    return RowReader(columns, RowFormat(UTC), START, END, END + timedelta(hours=1))


def _told(entry: Record | Rejection) -> list[Any]:
    if isinstance(entry, Rejection):
        return [entry]
    vector = None if entry.vector is None else (str(entry.vector.dtype), entry.vector.tolist())
    return [repr(getattr(entry, name)) for name in Record.__slots__ if name != "vector"] + [repr(vector)]


@given(
    st.lists(st.tuples(*map(_values, COLUMNS)), max_size=12),
    st.sampled_from(
        [COLUMNS, {n: n for n in ("id", "at", "scores")}, {**COLUMNS, "segments": {"t": "text"}}]
    ),
)
def test_a_batch_is_read_as_its_rows_are(rows: list[tuple[Any, ...]], columns: dict[str, Any]) -> None:
    alone, together = _reader(columns), _reader(columns)
    chosen = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    values = [[row[name] for name in alone.names] for row in chosen]
    expected: list[Record | Rejection] = []
    for number, row in enumerate(values):
        record, rejections = alone.read(row, f"row {number}")
        expected += [record] if record is not None else []
        expected += rejections
    columns_read = [[row[place] for row in values] for place in range(len(alone.names))]
    found = list(together.read_batch(columns_read, lambda row: f"row {row}"))
    assert [_told(entry) for entry in found] == [_told(entry) for entry in expected]
    assert together.inside == alone.inside


def test_a_sound_batch_is_read_by_columns_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RowReader, "read", None)
    monkeypatch.setattr(batch, "read_each", None)
    reader = _reader({name: name for name in ("id", "at", "text", "vector", "hits", "scores")})
    columns: list[list[Any]] = [
        ["q1", "q2"],
        ["2026-03-02 00:00:00", "2026-03-02 00:01:00"],
        ["how?", "why?"],
        [b"\0\0\x80?"] * 2,
        ['["a", "b"]', None],
        ["[0.5, 0.25]", None],
    ]
    assert [r.hits for r in reader.read_batch(columns, str) if isinstance(r, Record)] == [("a", "b"), ()]


def test_vectors_that_come_one_by_one_do_not_keep_their_batch() -> None:
    matrix = np.ones((3, 3), dtype=np.float32)
    vectors = batch.read_vectors([matrix[0], None, matrix[2, :2]], "float32", set())
    assert isinstance(vectors, list)
    first, _, shorter = vectors
    assert first is not None
    assert shorter is not None
    assert (first.base, shorter.base) == (None, None)


def test_vectors_of_one_dimension_are_a_matrix() -> None:
    blobs = [np.array(row, np.float32).tobytes() for row in ([1, 2], [3, 4])]
    columns: list[Any] = [blobs, ["[1, 2]", [3.0, 4.0]], np.array([[1, 2], [3, 4]], np.float32)]
    for column in columns:
        matrix = batch.read_vectors(column, "float32", set())
        assert isinstance(matrix, np.ndarray)
        assert matrix.dtype == np.float32
        assert matrix.tolist() == [[1, 2], [3, 4]]


def test_what_is_sound_stays_in_columns_beside_what_is_not() -> None:
    names = ("id", "at", "vector", "scores")
    columns: list[list[Any]] = [
        ["q0", "q1", "", "q3", "q4", "q5"],
        [START, START, START, START, END, START],
        [[1.0, 2.0]] * 6,
        [[0.5], [0.5], [0.5], ["x"], [0.5], [0.5]],
    ]
    reader = _reader({name: name for name in names})
    first, no_id, flawed, flaw, last = reader.read_columns(columns, lambda row: f"row {row}")
    assert isinstance(first, Records)
    assert (first.ids, isinstance(first.vectors, np.ndarray)) == (["q0", "q1"], True)
    assert no_id == Rejection("missing_id", "row 2")
    assert isinstance(flawed, Record)
    assert (flawed.id, flawed.scores) == ("q3", None)
    assert isinstance(flaw, Rejection)
    assert (flaw.reason, flaw.where) == ("bad_scores", "row 3")
    assert isinstance(last, Records)
    assert last.ids == ["q5"]
