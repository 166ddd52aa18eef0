from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitor.baseline import codec
from monitor.baseline.window_profile import profile_log, profile_queries
from monitor.errors import MergeError
from monitor.profile import Profile, counts_profile, merge, merge_all, subtract, zero
from monitor.records import Record, Sample
from tests.core_fakes import world

SHAPES = {"queries.n": 1, "queries.cells": 6, "scores.top1": 4, "canary.replays": 1}
SUMS = {"queries.total": 3, "suite.recall": 5}


def part(data: st.DataObject) -> Profile:
    names = st.sampled_from(sorted(SHAPES))
    counts = {
        name: data.draw(hnp.arrays(np.int64, SHAPES[name], elements=st.integers(0, 10**6)))
        for name in data.draw(st.sets(names))
    }
    # Halves of small whole numbers: sums of them are exact, so the laws hold to the last bit.
    sums = {
        name: data.draw(hnp.arrays(np.float64, SUMS[name], elements=st.integers(-1000, 1000).map(float))) / 2
        for name in data.draw(st.sets(st.sampled_from(sorted(SUMS))))
    }
    return Profile("basis", counts, sums)


def assert_same(left: Profile, right: Profile, *, relative: float = 0.0) -> None:
    assert left.basis == right.basis
    assert left.counts.keys() == right.counts.keys()
    assert left.sums.keys() == right.sums.keys()
    for name, array in left.counts.items():
        np.testing.assert_array_equal(array, right.counts[name], err_msg=name)
    for name, floats in left.sums.items():
        np.testing.assert_allclose(floats, right.sums[name], rtol=relative, atol=relative, err_msg=name)


@given(st.data())
def test_merging_is_a_commutative_monoid(data: st.DataObject) -> None:
    a, b, c = part(data), part(data), part(data)
    assert_same(merge(a, b), merge(b, a))
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert_same(merge(a, zero("basis")), a)
    assert_same(merge(zero("basis"), a), a)
    assert_same(merge_all("basis", [a, b, c]), merge(a, merge(b, c)))


@given(st.data())
def test_subtracting_undoes_merging(data: st.DataObject) -> None:
    a, b = part(data), part(data)
    rest = subtract(merge(a, b), a)
    for name, array in b.counts.items():
        np.testing.assert_array_equal(rest.counts[name], array)
    for name in rest.counts.keys() - b.counts.keys():
        assert not rest.counts[name].any()
    for name, floats in b.sums.items():
        np.testing.assert_array_equal(rest.sums[name], floats)


@given(st.data())
def test_merging_leaves_its_parts_alone(data: st.DataObject) -> None:
    a, b = part(data), part(data)
    before = (a.pack(), b.pack())
    merge(a, b)
    subtract(merge(a, b), b)
    assert (a.pack(), b.pack()) == before


@given(st.data())
def test_packing_loses_nothing(data: st.DataObject) -> None:
    a = part(data)
    assert_same(Profile.unpack(a.pack()), a)


def test_merging_nothing_is_zero() -> None:
    assert_same(merge_all("basis", []), zero("basis"))


@pytest.mark.parametrize("operation", [merge, subtract])
def test_profiles_of_different_baselines_do_not_mix(operation: Any) -> None:
    with pytest.raises(MergeError, match=r"old and new cannot be"):
        operation(zero("old"), zero("new"))


def test_foreign_bytes_are_no_profile() -> None:
    with pytest.raises(ValueError, match="not a driftmon blob"):
        Profile.unpack(b"something else")
    with pytest.raises(ValueError, match="not a profile"):
        Profile.unpack(codec.pack(world.full_baseline()))


def test_counts_are_named_by_dots_and_absent_ones_are_zero() -> None:
    profile = counts_profile("basis", records__seen=7, corpus__wrong_dimension=2)
    assert profile.count("records.seen") == 7
    assert profile.count("corpus.wrong_dimension") == 2
    assert profile.count("records.rejected") == 0


def whole_window() -> tuple[Record, ...]:
    rng = np.random.default_rng(21)
    records = list(world.make_records(rng, world.draw(rng, 120), "r"))
    # Not all is well in a window: empty answers, answers without scores or with one score, vectors that are broken.
    for i in range(0, 120, 10):
        records[i] = Record(records[i].id, records[i].at, vector=records[i].vector)
        records[i + 1] = Record(
            records[i + 1].id, records[i + 1].at, vector=np.full(world.D, np.nan, "f4"), hits=("d1",)
        )
        records[i + 2] = Record(
            records[i + 2].id, records[i + 2].at, vector=np.zeros(world.D, "f4"), hits=("d1",), scores=(0.5,)
        )
    return tuple(records)


def profile_records(records: tuple[Record, ...], rejected: int = 0) -> Profile:
    baseline = world.full_baseline()
    vectors = np.array([r.vector for r in records], dtype=np.float32).reshape(-1, world.D)
    sample = Sample(records, seen=len(records), rejected={"bad_id": rejected})
    return merge(profile_log(baseline, sample), profile_queries(baseline, vectors))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=120, max_size=120))
def test_a_whole_is_the_merge_of_its_parts(labels: list[int]) -> None:
    records = whole_window()
    parts = [
        profile_records(
            tuple(r for r, label in zip(records, labels, strict=True) if label == which), rejected=1
        )
        for which in range(4)
    ]
    whole = profile_records(records, rejected=4)
    # Counts of a quarter's records are those of a window each.
    whole = replace(whole, counts={**whole.counts, "records.windows": np.array([4])})
    assert_same(merge_all(whole.basis, parts), whole, relative=1e-6)
    assert whole.count("queries.n") == 96
    assert whole.count("queries.nonfinite") == whole.count("queries.zero") == 12
    assert whole.count("scores.empty") == whole.count("scores.missing") == 12
    assert whole.count("records.seen") == 120


def test_no_text_and_no_id_is_in_a_packed_profile() -> None:
    records = tuple(
        Record(
            f"secret-id-{i}",
            world.START,
            text=f"secret text {i}",
            vector=v,
            hits=(f"secret-doc-{i}",),
            scores=(0.5,),
        )
        for i, v in enumerate(world.draw(np.random.default_rng(0), 40))
    )
    packed = profile_records(records).pack()
    assert b"secret" not in packed
    assert b"secret" not in zlib.decompress(packed[4:])


def test_the_size_does_not_depend_on_traffic() -> None:
    rng = np.random.default_rng(8)
    few = profile_records(world.make_records(rng, world.draw(rng, 30), "a"))
    many = profile_records(world.make_records(rng, world.draw(rng, 900), "b"))
    assert {n: a.shape for n, a in few.counts.items()} == {n: a.shape for n, a in many.counts.items()}
    assert {n: a.shape for n, a in few.sums.items()} == {n: a.shape for n, a in many.sums.items()}
