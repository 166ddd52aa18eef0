from __future__ import annotations

import hashlib
import random
import sqlite3

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.sampling import bottom_k, hash_id, hash_ids

IDS = st.lists(st.text(max_size=12), unique=True, max_size=40)


def chosen(ids: list[str], k: int) -> list[str]:
    return [ids[i] for i in bottom_k(ids, k)]


def md5(identifier: str) -> str:
    return hashlib.md5(identifier.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


@given(ids=IDS, k=st.integers(0, 50), seed=st.integers())
def test_the_choice_does_not_depend_on_the_order(ids: list[str], k: int, seed: int) -> None:
    shuffled = random.Random(seed).sample(ids, len(ids))
    assert chosen(shuffled, k) == chosen(ids, k)


@given(left=IDS, right=IDS, k=st.integers(0, 20))
def test_samples_merge(left: list[str], right: list[str], k: int) -> None:
    whole = list(dict.fromkeys([*left, *right]))
    parts = list(dict.fromkeys([*chosen(left, k), *chosen(right, k)]))
    assert chosen(parts, k) == chosen(whole, k)


@given(ids=IDS, k=st.integers(0, 50))
def test_the_order_is_that_of_md5_in_sql(ids: list[str], k: int) -> None:
    assert chosen(ids, k) == sorted(ids, key=md5)[:k]


def test_a_database_draws_the_same_sample() -> None:
    ids = [f"doc/{i}" for i in range(300)]
    connection = sqlite3.connect(":memory:")
    connection.create_function("md5", 1, md5)
    connection.execute("CREATE TABLE docs (id TEXT)")
    connection.executemany("INSERT INTO docs VALUES (?)", [(i,) for i in ids])
    rows = connection.execute("SELECT id FROM docs ORDER BY md5(id) LIMIT 25").fetchall()
    connection.close()
    assert chosen(ids, 25) == [row[0] for row in rows]


@given(st.text())
def test_the_hash_is_the_head_of_md5(identifier: str) -> None:
    assert hash_id(identifier) == int(md5(identifier)[:16], 16)
    assert hash_ids([identifier]).tolist() == [hash_id(identifier)]


def test_any_text_has_a_hash() -> None:
    assert hash_ids(["\ud800", "\0", "", "é"]).dtype == np.uint64
    assert hash_ids([]).shape == (0,)


def test_a_sample_spreads_evenly() -> None:
    hashes = hash_ids([str(i) for i in range(20_000)]) / 2.0**64
    assert abs(float(hashes.mean()) - 0.5) < 4 * (1 / 12 / 20_000) ** 0.5
    assert not bottom_k(["a"], -1)
