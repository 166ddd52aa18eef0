from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Record, Rejection
from monitor.reservoir import EXAMPLES, HASHED_AT_ONCE, draw_sample
from monitor.stats.sampling import hash_id
from tests.core_fakes import world


def record(identifier: str, minute: int = 0, text: str = "", hits: tuple[str, ...] = ()) -> Record:
    return Record(identifier, world.START + timedelta(minutes=minute), text=text, hits=hits)


ENTRIES = st.lists(
    st.one_of(
        st.builds(
            record,
            st.sampled_from([f"id{i}" for i in range(30)]),
            st.integers(0, 3),
            st.sampled_from(["", "a", "b"]),
            st.sampled_from([(), ("d1",), ("d2",)]),
        ),
        st.builds(Rejection, st.sampled_from(["bad_id", "bad_time"]), st.just("line")),
    ),
    max_size=80,
)


@given(entries=ENTRIES, size=st.integers(1, 12), seed=st.integers())
def test_the_sample_does_not_depend_on_the_order(
    entries: list[Record | Rejection], size: int, seed: int
) -> None:
    shuffled = random.Random(seed).sample(entries, len(entries))
    first, second = draw_sample(entries, size), draw_sample(shuffled, size)
    assert first.records == second.records
    assert (first.seen, first.duplicates, first.rejected) == (second.seen, second.duplicates, second.rejected)


@given(entries=ENTRIES, size=st.integers(1, 12))
def test_it_is_the_bottom_of_the_hashes_with_everything_counted(
    entries: list[Record | Rejection], size: int
) -> None:
    sample = draw_sample(entries, size)
    records = [e for e in entries if isinstance(e, Record)]
    wanted = sorted({r.id for r in records}, key=hash_id)[:size]
    assert [r.id for r in sample.records] == wanted
    assert sample.seen == len(records)
    assert sample.duplicates == sum(r.id in wanted for r in records) - len(wanted)
    assert sum(sample.rejected.values()) == len(entries) - len(records)
    for kept in sample.records:
        assert kept.at == min(r.at for r in records if r.id == kept.id)


def test_of_records_that_share_an_id_the_earliest_is_kept() -> None:
    entries = [record("a", 5, "late"), record("a", 1, "early"), record("a", 3, "middle")]
    sample = draw_sample(entries, 10)
    assert [r.text for r in sample.records] == ["early"]
    assert (sample.seen, sample.duplicates) == (3, 2)


def test_rejections_are_all_counted_and_a_few_are_shown() -> None:
    entries = [Rejection("bad_id", f"line {i}") for i in range(50)] + [Rejection("bad_time", "line 51")]
    sample = draw_sample(entries, 10)
    assert sample.rejected == {"bad_id": 50, "bad_time": 1}
    assert len(sample.examples) == EXAMPLES
    assert sample.examples[0].where == "line 0"
    assert sample.records == ()


def test_an_empty_log_is_an_empty_sample() -> None:
    sample = draw_sample([], 10)
    assert (sample.records, sample.seen, sample.duplicates, sample.rejected) == ((), 0, 0, {})


def test_memory_is_bounded_whatever_the_window_holds() -> None:
    def log() -> Iterator[Record]:
        for i in range(20_000):
            yield record(f"record-{i}", text="x" * 2000)  # 40 MB in all

    tracemalloc.start()
    sample = draw_sample(log(), 100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(sample.records), sample.seen) == (100, 20_000)
    assert peak < 2_000_000


def test_the_log_is_read_once_and_lazily() -> None:
    read: list[str] = []

    def log() -> Iterator[Record]:
        for i in range(5):
            read.append(f"r{i}")
            yield record(f"r{i}")

    draw_sample(log(), 2)
    assert read == [f"r{i}" for i in range(5)]


def test_a_log_longer_than_what_is_hashed_at_once_is_counted_whole() -> None:
    ids = [f"id{i % (2 * HASHED_AT_ONCE)}" for i in range(3 * HASHED_AT_ONCE + 7)]
    entries: list[Record | Rejection] = [record(identifier) for identifier in ids]
    for place in range(0, len(entries), 90):
        entries.insert(place, Rejection("bad_id", f"line {place}"))
    refused = len(entries) - len(ids)
    sample = draw_sample(entries, 40)
    wanted = sorted(set(ids), key=hash_id)[:40]
    assert [r.id for r in sample.records] == wanted
    assert (sample.seen, sample.rejected) == (len(ids), {"bad_id": refused})
    assert sample.duplicates == sum(identifier in wanted for identifier in ids) - 40
    assert [e.where for e in sample.examples] == [f"line {place}" for place in range(0, 90 * refused, 90)][
        :EXAMPLES
    ]
