from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Record, Records, Rejection
from monitor.reservoir import Reservoir, draw_sample
from monitor.stats.sampling import hash_id
from tests.core_fakes import world


def test_a_sample_may_be_looked_at_and_drawn_further() -> None:
    entries = [Record(f"q{i % 50}", world.START) for i in range(70)] + [Rejection("bad_id", "line 3")]
    reservoir = Reservoir(20)
    for entry in entries[:40]:
        reservoir.add(entry)
    assert reservoir.sample() == draw_sample(entries[:40], 20)
    for entry in entries[40:]:
        reservoir.add(entry)
    assert reservoir.sample() == draw_sample(entries, 20)
    assert len(reservoir.sample().records) == 20


@given(
    ids=st.lists(st.integers(0, 400), max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=4),
    size=st.integers(1, 60),
)
def test_columns_are_sampled_as_their_records_are(ids: list[int], cuts: list[int], size: int) -> None:
    records = [
        Record(
            f"q{n}", world.START + timedelta(minutes=i), str(i), np.full(2, i, np.float32), scores=(float(i),)
        )
        for i, n in enumerate(ids)
    ]
    bounds = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    parts = [Records.of(records[a:b]) for a, b in pairwise(bounds)]
    entries = [*parts[:-1], Rejection("bad_id", "line 3"), *parts[-1]]  # the last one by one
    sample = draw_sample(entries, size)
    first = {record.id: record for record in reversed(records)}
    wanted = sorted(first, key=hash_id)[:size]
    assert sample.records == [first[identifier] for identifier in wanted]
    assert sample.seen == len(records)
    assert sample.duplicates == sum(r.id in wanted for r in records) - len(wanted)
    assert sample.rejected == {"bad_id": 1}


def test_copies_of_one_record_leave_room_for_the_others() -> None:
    ids = ["a"] * 700 + [f"b{i}" for i in range(90)]
    sample = draw_sample([Records(ids, [world.START] * len(ids))], 50)
    assert [r.id for r in sample.records] == sorted(set(ids), key=hash_id)[:50]
    assert sample.duplicates == (699 if "a" in {r.id for r in sample.records} else 0)


def test_a_sample_does_not_keep_its_batches() -> None:
    batches = [
        Records([f"{n}-{i}" for i in range(60)], [world.START] * 60, vectors=np.ones((60, 2), np.float32))
        for n in range(3)
    ]
    for size in (20, 60, 100, 200):
        drawn = draw_sample(batches, size).records
        assert isinstance(drawn, Records)
        assert isinstance(drawn.vectors, np.ndarray)
        assert len(drawn) == min(size, 180)
        assert not any(np.shares_memory(drawn.vectors, batch.vectors) for batch in batches)


def test_a_sample_keeps_no_batch_where_some_records_have_no_vector() -> None:
    def batch(name: str, *, whole: bool) -> Records:
        rows = np.ones((60, 2), np.float32)
        vectors = rows if whole else [None, *rows[1:]]
        return Records([f"{name}-{i}" for i in range(60)], [world.START] * 60, vectors=vectors)

    batches = [batch(str(n), whole=n != 1) for n in range(4)]
    for size in (20, 60, 200):
        drawn = draw_sample(batches, size).records
        assert isinstance(drawn, Records)
        assert isinstance(drawn.vectors, list)
        held = [vector for vector in drawn.vectors if vector is not None]
        assert len(held) >= size - 60
        assert all(vector.base is None for vector in held)
