from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Ragged, Record, Records
from monitor.records.columns import one_matrix
from tests.core_fakes import world

VECTORS = st.sampled_from(
    [None, np.ones(2, np.float32), np.arange(2, dtype=np.float32), np.ones(3, np.float32)]
)
RECORDS = st.lists(
    st.builds(
        Record,
        id=st.sampled_from("abcdef"),
        at=st.integers(0, 5).map(lambda minute: world.START + timedelta(minutes=minute)),
        text=st.sampled_from([None, "", "how?"]),
        vector=VECTORS,
        model=st.sampled_from([None, "m"]),
        hits=st.sampled_from([(), ("d1",), ("d2", "d1")]),
        scores=st.sampled_from([None, (), (0.5,), (0.75, 0.25)]),
        segments=st.sampled_from([{}, {"tenant": "acme"}]),
        feedback=st.sampled_from([{}, {"clicked": 1.0}]),
    ),
    max_size=8,
)


def told(records: Records | list[Record]) -> list[list[str]]:
    return [
        [
            repr(v.tolist()) if isinstance(v, np.ndarray) else repr(v)
            for v in (getattr(r, n) for n in Record.__slots__)
        ]
        for r in records
    ]


@given(RECORDS)
def test_records_come_out_as_they_went_in(records: list[Record]) -> None:
    columns = Records.of(records)
    assert told(columns) == told(records)
    assert told([columns[i] for i in range(len(columns))]) == told(records)
    assert columns.with_vector == sum(r.vector is not None for r in records)
    assert Records.of(columns) is columns
    assert columns == records
    assert columns[1:3] == records[1:3]


@given(RECORDS, st.data())
def test_taking_and_joining_are_those_of_lists(records: list[Record], data: st.DataObject) -> None:
    columns = Records.of(records)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1), max_size=9) if records else st.just([]))
    assert told(columns.take(np.array(rows, dtype=np.int64))) == told([records[row] for row in rows])
    cut = data.draw(st.integers(0, len(records)))
    joined = Records.join([Records.of(records[:cut]), Records.of(records[cut:])])
    assert told(joined) == told(records)


def test_what_is_taken_is_in_memory_of_its_own() -> None:
    batch = np.ones((4, 3), dtype=np.float32)
    records = Records(list("abcd"), [world.START] * 4, vectors=batch)
    taken = records.take(np.array([2, 0]))
    assert isinstance(taken.vectors, np.ndarray)
    assert taken.vectors.base is None
    assert not np.shares_memory(taken.vectors, batch)


def test_records_differ_where_a_field_does() -> None:
    one = Record("a", world.START, vector=np.ones(2, np.float32))
    assert Records.of([one]) == (Record("a", world.START, vector=np.ones(2, np.float32)),)
    for other in (
        Record("b", world.START, vector=np.ones(2, np.float32)),
        Record("a", world.START, vector=np.zeros(2, np.float32)),
        Record("a", world.START, vector=np.ones(3, np.float32)),
        Record("a", world.START),
        Record("a", world.START, scores=(0.5,), vector=np.ones(2, np.float32)),
    ):
        assert Records.of([one]) != [other]
        assert Records.of([other]) != [one]
    assert Records.of([one]) != [one, one]
    assert Records.of([one]) != ["a"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(Records.of([one]))


def test_vectors_are_one_matrix_only_where_they_can_be() -> None:
    one, two = np.ones(2, np.float32), np.ones(3, np.float32)
    assert one_matrix([]) is None
    assert one_matrix([None, None]) is None
    assert isinstance(one_matrix([one, one]), np.ndarray)
    assert one_matrix([one, two]) == [one, two]
    assert one_matrix([one, None]) == [one, None]


@given(st.lists(st.sampled_from([None, (), (1.0,), (1.0, 2.0)]), max_size=6), st.data())
def test_ragged_rows_are_those_that_went_in(
    rows: list[tuple[float, ...] | None], data: st.DataObject
) -> None:
    ragged = Ragged.of(rows)
    assert [*ragged] == rows
    assert [ragged[i] for i in range(len(rows))] == rows
    assert ragged.lengths.tolist() == [len(row or ()) for row in rows]
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6) if rows else st.just([]))
    taken = ragged.take(np.array(chosen, dtype=np.int64))
    assert [*taken] == [rows[row] for row in chosen]
    assert [*Ragged.join([taken, ragged])] == [*taken, *rows]


def test_texts_end_to_end_stay_texts() -> None:
    ragged = Ragged.of([("a", "b"), None, ("c",)], object)
    assert [*ragged] == [("a", "b"), None, ("c",)]
    assert [*ragged.take(np.array([2, 0]))] == [("c",), ("a", "b")]
    assert ragged[0] == ("a", "b")


def test_a_slice_of_longer_lists_is_read_where_it_begins() -> None:
    ragged: Ragged[float] = Ragged(np.arange(5.0), np.array([2, 3, 5]), np.array([True, True]))
    assert [*ragged] == [(2.0,), (3.0, 4.0)]
    assert [*ragged.take(np.array([1, 0]))] == [(3.0, 4.0), (2.0,)]
    assert [*Ragged.join([ragged, ragged])] == [(2.0,), (3.0, 4.0)] * 2
