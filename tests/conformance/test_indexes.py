"""Every index of the entry-point group against the same checks; a new plug-in adds its builder below."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import SecretStr

from monitor.errors import DriftmonError, EdgeError
from monitor.protocols import Index
from monitor.stats.sampling import bottom_k

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from monitor.records import VectorArray

POINTS = {point.name: point for point in entry_points(group="monitor.indexes")}
N, D = 300, 12
IDS = [f"id {i} é" for i in range(N)]
SECRET = "s3cr3t-word"  # noqa: S105 it must be found nowhere


def build_memory(
    request: pytest.FixtureRequest, ids: Sequence[str], vectors: VectorArray, metric: str
) -> Index:
    folder: Path = request.getfixturevalue("tmp_path")
    np.savez(folder / "corpus.npz", ids=np.array(ids), vectors=vectors)
    index: Index = POINTS["memory"].load()(folder / "corpus.npz", metric)
    return index


def build_pgvector(
    request: pytest.FixtureRequest, ids: Sequence[str], vectors: VectorArray, metric: str
) -> Index:
    import sqlalchemy as sa

    url = request.getfixturevalue("postgres_database")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE chunks (id text PRIMARY KEY, embedding vector({D}))"))
        rows = [{"id": i, "v": str(v.tolist())} for i, v in zip(ids, vectors, strict=True)]
        connection.execute(sa.text("INSERT INTO chunks VALUES (:id, :v)"), rows)
    index: Index = POINTS["pgvector"].load()(SecretStr(url), "chunks", metric=metric)
    return index


BUILDERS: dict[str, Any] = {"memory": build_memory, "pgvector": build_pgvector}
PLUG_INS = [
    pytest.param(name, marks=[pytest.mark.postgres] if name == "pgvector" else []) for name in sorted(POINTS)
]


def corpus(seed: int = 5) -> VectorArray:
    return np.random.default_rng(seed).standard_normal((N, D), dtype=np.float32)


@pytest.fixture(params=PLUG_INS)
def name(request: pytest.FixtureRequest) -> str:
    plug_in: str = request.param
    return plug_in


@pytest.fixture
def index(request: pytest.FixtureRequest, name: str) -> Index:
    built: Index = BUILDERS[name](request, IDS, corpus(), "cosine")
    return built


def test_every_plug_in_is_checked_here() -> None:
    assert set(BUILDERS) == set(POINTS)


def test_it_is_a_frozen_dataclass_without_a_base_class(index: Any) -> None:
    kind = type(index)
    assert is_dataclass(kind)
    assert vars(kind)["__dataclass_params__"].frozen
    assert vars(kind)["__slots__"]
    assert type.mro(kind) == [kind, object]
    assert isinstance(index, Index)


def test_importing_it_loads_no_heavy_library(name: str) -> None:
    heavy = ("torch", "transformers", "pyarrow", "psycopg", "pgvector", "faiss")
    code = f"import sys, {POINTS[name].module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_answers_are_exact_sorted_and_scored_as_documented(
    request: pytest.FixtureRequest, name: str, metric: str
) -> None:
    vectors, queries = corpus(), corpus(6)[:20]
    built: Index = BUILDERS[name](request, IDS, vectors, metric)
    before = queries.copy()
    answer = built.search(queries, 10)
    np.testing.assert_array_equal(queries, before)
    scores = queries.astype(float) @ vectors.T.astype(float)
    if metric == "cosine":
        scores /= np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
    elif metric == "l2":
        scores = -np.linalg.norm(queries[:, None] - vectors[None], axis=2)
    best = np.argsort(-scores, axis=1)[:, :10]
    assert [list(row) for row in answer.ids] == [[IDS[i] for i in row] for row in best]
    np.testing.assert_allclose(answer.scores, np.take_along_axis(scores, best, axis=1), atol=1e-5)
    assert answer.scores.dtype == np.float32
    assert (np.diff(answer.scores, axis=1) <= 0).all()


def test_a_document_finds_itself_first(index: Index) -> None:
    answer = index.search(corpus(), 1)
    assert [row[0] for row in answer.ids] == IDS
    np.testing.assert_allclose(answer.scores, 1, atol=1e-6)


def test_more_is_asked_for_than_there_is(index: Index) -> None:
    answer = index.search(corpus()[:2], N + 50)
    assert answer.scores.shape == (2, N + 50)
    for row, scores in zip(answer.ids, answer.scores, strict=True):
        assert sorted(row) == sorted(IDS)
        assert np.isfinite(scores[:N]).all()
        assert np.isnan(scores[N:]).all()


def test_the_sample_is_the_bottom_of_the_hashes_and_the_same_each_time(index: Index) -> None:
    sample = index.sample(25)
    chosen = bottom_k(IDS, 25)
    assert sample.ids == tuple(IDS[i] for i in chosen)
    np.testing.assert_array_equal(sample.vectors, corpus()[chosen])
    assert sample.vectors.dtype == np.float32
    assert sample.size == N
    assert index.sample(25).ids == sample.ids
    assert set(index.sample(N * 2).ids) == set(IDS)


def test_no_queries_and_unusable_ones(index: Index) -> None:
    assert list(index.search(corpus()[:0], 5).ids) == []
    queries = corpus()[:3]
    queries[1] = np.inf
    answer = index.search(queries, 5)
    assert [len(row) for row in answer.ids] == [5, 0, 5]
    assert np.isnan(answer.scores[1]).all()


def test_queries_of_another_dimension_name_both(index: Index) -> None:
    with pytest.raises(EdgeError, match=rf"(?s){D - 1}.*{D}|{D}.*{D - 1}"):
        index.search(corpus()[:2, : D - 1], 5)


def test_threads_get_the_same_answers(index: Index) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: index.search(corpus()[:20], 5).ids, range(8)))
    assert all(answer == answers[0] for answer in answers)


def test_it_describes_itself_in_one_line(index: Any) -> None:
    text = index.describe()
    assert str(N) in text
    assert str(D) in text
    assert "\n" not in text


def test_secrets_are_in_no_text(index: Any) -> None:
    secret = [f.name for f in fields(index) if isinstance(getattr(index, f.name), SecretStr)]
    url = SecretStr(f"postgresql://me:{SECRET}@127.0.0.1:1/nowhere?sslpassword={SECRET}")
    for name in secret:
        dead = replace(index, **{name: url})
        with pytest.raises(DriftmonError) as caught:
            dead.search(corpus()[:1], 1)
        chain = [caught.value, caught.value.__cause__]
        assert not any(SECRET in text for error in chain for text in (str(error), repr(error)))
        assert SECRET not in repr(dead)
    assert SECRET not in repr(index)
