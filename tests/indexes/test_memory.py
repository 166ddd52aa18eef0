from __future__ import annotations

import gzip
import json
import os
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from monitor.errors import EdgeError
from monitor.indexes.memory import ArrayIndex, MemoryIndex, from_arrays
from monitor.protocols import Index
from monitor.stats.sampling import bottom_k

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from monitor.records import VectorArray

IDS = [f"doc-{i}" for i in range(50)]
VECTORS: VectorArray = np.random.default_rng(7).standard_normal((50, 6), dtype=np.float32)


def write_npz(path: Path, ids: Sequence[Any], vectors: Any) -> None:
    np.savez(path, ids=np.asarray(ids), vectors=vectors)


def write_jsonl(path: Path, ids: Sequence[Any], vectors: Any) -> None:
    lines = [
        json.dumps({"id": i, "vector": np.asarray(v, dtype=float).tolist()})
        for i, v in zip(ids, vectors, strict=True)
    ]
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def write_parquet(path: Path, ids: Sequence[Any], vectors: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [None if v is None else np.asarray(v, dtype=np.float32) for v in vectors]
    pq.write_table(pa.table({"id": list(ids), "vector": pa.array(rows, pa.list_(pa.float32()))}), path)


WRITERS: dict[str, Callable[[Path, Sequence[Any], Any], None]] = {
    ".npz": write_npz,
    ".jsonl": write_jsonl,
    ".jsonl.gz": write_jsonl,
    ".parquet": write_parquet,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_answers_alike(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"corpus{suffix}"
    WRITERS[suffix](file, IDS, VECTORS)
    index = MemoryIndex(file)
    assert isinstance(index, Index)
    answer = index.search(VECTORS[:3], 5)
    expected = ArrayIndex(IDS, VECTORS).search(VECTORS[:3], 5)
    assert answer.ids == expected.ids
    assert [row[0] for row in answer.ids] == IDS[:3]
    np.testing.assert_array_equal(answer.scores, expected.scores)
    assert index.describe() == f"{file}: 50 vectors of 6 dimensions in memory, cosine, exact"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_whole_number_ids_and_columns_of_another_name(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"corpus{suffix}"
    WRITERS[suffix](file, list(range(50)), VECTORS)
    assert MemoryIndex(file).search(VECTORS[4:5], 1).ids == [["4"]]
    with pytest.raises(EdgeError, match="nr"):
        MemoryIndex(file, id_column="nr").search(VECTORS, 1)


@pytest.mark.parametrize(
    ("metric", "score"),
    [("cosine", 1.0), ("dot", 25.0), ("l2", 0.0)],
)
def test_a_higher_score_is_better_in_every_metric(metric: Any, score: float) -> None:
    vectors = np.array([[3, 4], [-3, -4], [0.3, 0.3]], dtype=np.float32)
    answer = ArrayIndex(["a", "b", "c"], vectors, metric).search(vectors[:1], 3)
    assert answer.ids == [["a", "c", "b"]]
    assert answer.scores[0, 0] == pytest.approx(score)
    assert (np.diff(answer.scores[0]) < 0).all()


def test_fewer_documents_than_k_are_padded_with_nan() -> None:
    answer = ArrayIndex(IDS, VECTORS).search(VECTORS[:2], 60)
    assert [len(row) for row in answer.ids] == [50, 50]
    assert answer.scores.shape == (2, 60)
    assert np.isfinite(answer.scores[:, :50]).all()
    assert np.isnan(answer.scores[:, 50:]).all()


def test_an_unusable_query_gets_no_answer_and_the_others_theirs() -> None:
    queries = VECTORS[:4].copy()
    queries[1], queries[2] = np.nan, 0
    answer = ArrayIndex(IDS, VECTORS).search(queries, 2)
    assert [row[:1] for row in answer.ids] == [IDS[:1], [], [], IDS[3:4]]
    assert np.isnan(answer.scores[1:3]).all()


def test_queries_of_another_dimension_are_refused() -> None:
    with pytest.raises(EdgeError, match="6 dimensions"):
        ArrayIndex(IDS, VECTORS).search(VECTORS[:, :4], 2)


def test_the_sample_is_the_bottom_of_the_hashes() -> None:
    sample = ArrayIndex(IDS, VECTORS).sample(7)
    chosen = bottom_k(IDS, 7)
    assert sample.ids == tuple(IDS[i] for i in chosen)
    np.testing.assert_array_equal(sample.vectors, VECTORS[chosen])
    assert sample.size == 50
    assert len(ArrayIndex(IDS, VECTORS).sample(500).ids) == 50


def test_what_is_broken_is_left_out_and_counted(tmp_path: Path) -> None:
    good = [json.dumps({"id": i, "vector": v.tolist()}) for i, v in zip(IDS, VECTORS, strict=True)]
    bad = [
        "{",
        '"text"',
        '{"id": "none"}',
        '{"id": "text", "vector": "abc"}',
        '{"id": "words", "vector": ["a", "b"]}',
        '{"id": "nested", "vector": [[1, 2], [3, 4]]}',
        '{"id": "short", "vector": [1, 2]}',
        '{"id": "long", "vector": [1, 2, 3, 4, 5, 6, 7]}',
        '{"id": "nan", "vector": [1, 2, 3, 4, 5, NaN]}',
        '{"id": "huge", "vector": [1, 2, 3, 4, 5, 1e300]}',
        '{"id": "zero", "vector": [0, 0, 0, 0, 0, 0]}',
        '{"id": null, "vector": [1, 2, 3, 4, 5, 6]}',
        '{"id": true, "vector": [1, 2, 3, 4, 5, 6]}',
        '{"vector": [1, 2, 3, 4, 5, 6]}',
        '{"id": "doc-3", "vector": [1, 2, 3, 4, 5, 6]}',
    ]
    file = tmp_path / "corpus.jsonl"
    file.write_text("\n".join([bad[6], *good[:10], "", *bad, *good[10:]]), encoding="utf-8")
    index = MemoryIndex(file)
    assert index.describe().endswith(
        "50 vectors of 6 dimensions in memory, cosine, exact; left out: 1 broken line, 1 duplicate id, "
        "3 missing id, 5 no vector, 2 not finite, 3 wrong dimension, 1 zero length"
    )
    assert index.search(VECTORS[3:4], 1).ids == [["doc-3"]]


def test_a_broken_copy_does_not_hide_the_good_one_of_the_same_id() -> None:
    vectors = VECTORS[:4].copy()
    vectors[0] = np.nan
    index = from_arrays(["a", "b", "a", "b"], vectors)
    assert index.ids == ("b", "a")
    np.testing.assert_array_equal(index.vectors, vectors[[1, 2]])
    assert index.rejected == {"not finite": 1, "duplicate id": 1}


def test_zero_vectors_count_under_dot_and_l2() -> None:
    vectors = np.array([[0, 0], [1, 0]], dtype=np.float64)
    assert from_arrays(["a", "b"], vectors, "l2").search(np.zeros((1, 2), np.float32), 1).ids == [["a"]]
    assert from_arrays(["a", "b"], vectors, "cosine").rejected == {"zero length": 1}


def test_parquet_with_nulls_and_mixed_lengths(tmp_path: Path) -> None:
    rows: list[Any] = [*VECTORS, None, [], [1.0, 2.0]]
    write_parquet(tmp_path / "corpus.parquet", [*IDS, "x", "y", "z"], rows)
    index = MemoryIndex(tmp_path / "corpus.parquet")
    assert index.describe().endswith("exact; left out: 2 no vector, 1 wrong dimension")
    assert index.search(VECTORS[49:], 1).ids == [["doc-49"]]


@pytest.mark.parametrize("kind", ["fixed", "large", "half"])
def test_parquet_list_types(tmp_path: Path, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "fixed": pa.list_(pa.float32(), 6),
        "large": pa.large_list(pa.float64()),
        "half": pa.list_(pa.float16()),
    }
    rows = VECTORS.astype(np.float16)
    pq.write_table(
        pa.table({"id": IDS, "vector": pa.array(list(rows), types[kind])}), tmp_path / "corpus.parquet"
    )
    index = MemoryIndex(tmp_path)
    assert index.search(VECTORS[5:6], 1).ids == [["doc-5"]]
    np.testing.assert_array_equal(index.sample(50).vectors, rows[bottom_k(IDS, 50)].astype(np.float32))


def test_a_parquet_column_that_holds_no_vectors_is_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["a"], "vector": [["x", "y"]]}), tmp_path / "corpus.parquet")
    with pytest.raises(EdgeError, match="lists of floats"):
        MemoryIndex(tmp_path / "corpus.parquet").describe()
    (tmp_path / "corpus.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(EdgeError, match="cannot be read as Parquet"):
        MemoryIndex(tmp_path / "corpus.parquet").describe()


def test_half_precision_stays_half_in_memory(tmp_path: Path) -> None:
    np.savez(tmp_path / "half.npz", ids=np.array(IDS), vectors=VECTORS.astype(np.float16))
    index = MemoryIndex(tmp_path / "half.npz")
    assert index._current().vectors.dtype == np.float16
    assert index.sample(3).vectors.dtype == np.float32


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", ids=np.array(["a", None], dtype=object), vectors=VECTORS[:2])
    with pytest.raises(EdgeError, match="never read"):
        MemoryIndex(tmp_path / "evil.npz").search(VECTORS, 1)


@pytest.mark.parametrize("suffix", ["", ".npy"])
def test_members_that_are_no_arrays_are_refused(tmp_path: Path, suffix: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.npz", "w") as archive:
        for name in ("ids", "vectors"):
            archive.writestr(name + suffix, b"no array")
    with pytest.raises(EdgeError, match="no arrays"):
        MemoryIndex(tmp_path / "evil.npz").describe()


def test_a_shape_beyond_all_memory_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 384), }"
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(tmp_path / "evil.npz", "w") as archive:
        for name in ("ids.npy", "vectors.npy"):
            archive.writestr(name, member)
    with pytest.raises(EdgeError, match="must hold two plain arrays"):
        MemoryIndex(tmp_path / "evil.npz").describe()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.npz", b"no zip", r"cannot be read|never read"),
        ("corpus.jsonl.gz", b"no gzip", "cannot be read"),
        ("corpus.jsonl.gz", gzip.compress(b'{"id": "a"}' * 99, mtime=0)[:-12], "cannot be read"),
        ("corpus.csv", b"id,vector", "unknown format"),
        ("corpus.jsonl", b"", "it is empty"),
        ("corpus.jsonl", b"{", "1 broken line"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EdgeError, match=message):
        MemoryIndex(tmp_path / name).search(VECTORS, 1)


@pytest.mark.parametrize(
    "arrays",
    [
        {"ids": np.array(["a"])},
        {"ids": np.array(["a"]), "vectors": np.ones((2, 3))},
        {"ids": np.array(["a"]), "vectors": np.ones((1, 3), dtype=int)},
        {"ids": np.array(["a"]), "vectors": np.ones(1)},
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "corpus.npz", **arrays)
    with pytest.raises(EdgeError, match="vectors"):
        MemoryIndex(tmp_path / "corpus.npz").describe()
    with pytest.raises(ValueError, match="do not fit"):
        ArrayIndex(["a"], VECTORS)


def test_folders_and_patterns(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", IDS[:20], VECTORS[:20])
    write_jsonl(tmp_path / "b.jsonl", IDS[20:], VECTORS[20:])
    (tmp_path / "notes.txt").write_text("not a corpus", encoding="utf-8")
    assert MemoryIndex(tmp_path).sample(1).size == 50
    assert MemoryIndex(tmp_path / "*.jsonl").sample(1).size == 30
    with pytest.raises(EdgeError, match="names no file of vectors"):
        MemoryIndex(tmp_path / "c.npz").sample(1)
    with pytest.raises(EdgeError, match="unknown format"):
        MemoryIndex(tmp_path / "*.t*").sample(1)


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "corpus.npz"
    write_npz(file, IDS, VECTORS)
    index = MemoryIndex(file)
    first = index._current()
    assert index._current() is first
    write_npz(tmp_path / "new.npz", [*IDS, "new"], np.vstack([VECTORS, VECTORS[:1] * 2 + 1]))
    (tmp_path / "new.npz").replace(file)
    assert index.sample(99).size == 51
    os.utime(file, ns=(1, 1))
    assert index._current() is not first
    file.unlink()
    with pytest.raises(EdgeError, match="names no file"):
        index.sample(1)


def test_threads_read_the_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npz(tmp_path / "corpus.npz", IDS, VECTORS)
    index = MemoryIndex(tmp_path / "corpus.npz")
    reads: list[int] = []
    original = MemoryIndex._read

    def counted(self: MemoryIndex, files: Any) -> ArrayIndex:
        reads.append(1)
        return original(self, files)

    monkeypatch.setattr(MemoryIndex, "_read", counted)
    threads = [threading.Thread(target=index.sample, args=(3,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1


def test_configuration_builds_it_and_refuses_bad_fields() -> None:
    adapter = TypeAdapter(MemoryIndex)
    index = adapter.validate_python({"path": "vectors/*.npz", "metric": "dot"})
    assert index == MemoryIndex("vectors/*.npz", "dot")
    for fields in ({"path": " "}, {"path": "a.npz", "metric": "manhattan"}):
        with pytest.raises(ValueError, match=r"path|metric"):
            adapter.validate_python(fields)
    with pytest.raises(ValueError, match="metric is 'manhattan'"):
        MemoryIndex("a.npz", "manhattan")  # type: ignore[arg-type]
