from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sqlalchemy as sa
from pydantic import SecretStr, TypeAdapter

from monitor.errors import ConfigError, EdgeError, EdgeTimeoutError
from monitor.indexes import pgvector_table
from monitor.indexes.memory import ArrayIndex
from monitor.indexes.pgvector import PgvectorIndex
from monitor.protocols import Index
from monitor.stats.sampling import bottom_k
from tests.core_fakes.backends import stopped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.records import VectorArray

RNG = np.random.default_rng(3)
VECTORS: VectorArray = RNG.standard_normal((3000, 16), dtype=np.float32)
QUERIES: VectorArray = RNG.standard_normal((150, 16), dtype=np.float32)
IDS = [f"Dokument {i} ü" for i in range(len(VECTORS))]
NASTY = 'chunks "; DROP TABLE chunks; --'


def fill(connection: sa.Connection, ids: Sequence[Any], vectors: VectorArray, target: str) -> None:
    rows = [{"id": i, "v": str(v.tolist())} for i, v in zip(ids, vectors, strict=True)]
    connection.execute(sa.text(f"INSERT INTO {target} VALUES (:id, :v)"), rows)  # noqa: S608 our own names


@pytest.fixture(scope="module")
def engine(postgres_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA IF EXISTS rag CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA rag"))
        connection.execute(sa.text("CREATE TABLE rag.chunks (id text PRIMARY KEY, embedding vector(16))"))
        fill(connection, IDS, VECTORS, "rag.chunks")
        connection.execute(
            sa.text("CREATE INDEX chunks_hnsw ON rag.chunks USING hnsw (embedding vector_cosine_ops)")
        )
        connection.execute(sa.text("CREATE TABLE rag.half (id bigint PRIMARY KEY, embedding halfvec(16))"))
        fill(connection, range(500), VECTORS[:500], "rag.half")
        connection.execute(sa.text("CREATE TABLE rag.mixed (id text, embedding vector)"))
        fill(connection, ["a", "b", "a"], VECTORS[:3], "rag.mixed")
        fill(connection, ["c"], VECTORS[:1, :4], "rag.mixed")
        connection.execute(sa.text("INSERT INTO rag.mixed VALUES (NULL, '[1,2]'), ('d', NULL)"))
        connection.execute(sa.text("CREATE TABLE rag.empty (id text, embedding vector(16))"))
        connection.execute(sa.text("CREATE VIEW rag.latest AS SELECT * FROM rag.chunks"))
        quoted = connection.dialect.identifier_preparer.quote_identifier(NASTY)
        connection.execute(sa.text(f'CREATE TABLE rag.{quoted} ("Id %s" text, "em:b" vector(16))'))
        fill(connection, IDS[:5], VECTORS[:5], f"rag.{quoted}")
        connection.execute(sa.text("ANALYZE"))
    yield engine
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA rag CASCADE"))


@pytest.fixture
def index(engine: sa.Engine) -> PgvectorIndex:
    url = SecretStr(engine.url.render_as_string(hide_password=False))
    return PgvectorIndex(url, "chunks", schema="rag", ef_search=400)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_answers_equal_exact_search(index: PgvectorIndex, metric: Any) -> None:
    assert isinstance(index, Index)
    answer = replace(index, metric=metric, ef_search=1000).search(QUERIES, 10)
    expected = ArrayIndex(IDS, VECTORS, metric).search(QUERIES, 10)
    same = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(answer.ids, expected.ids, strict=True)])
    assert same > 0.999  # cosine goes through the HNSW index, the others read the table
    if metric != "cosine":
        assert answer.ids == expected.ids
        np.testing.assert_allclose(answer.scores, expected.scores, rtol=1e-5)
    assert (np.diff(answer.scores, axis=1) <= 0).all()
    assert answer.scores.shape == (150, 10)
    assert answer.scores.dtype == np.float32


def test_half_precision_columns_and_whole_number_ids(index: PgvectorIndex) -> None:
    answer = replace(index, table="half").search(VECTORS[:3], 1)
    assert answer.ids == [["0"], ["1"], ["2"]]
    np.testing.assert_allclose(answer.scores, 1, atol=1e-3)
    sample = replace(index, table="half").sample(5)
    np.testing.assert_allclose(sample.vectors, VECTORS[[int(i) for i in sample.ids]], rtol=1e-3)


def explain(connection: sa.Connection, statement: sa.ClauseElement) -> str:
    compiled = statement.compile(dialect=connection.dialect)
    lines = connection.exec_driver_sql(f"EXPLAIN (ANALYZE) {compiled}", dict(compiled.params)).scalars()
    return "\n".join(lines)


def test_a_batch_goes_through_the_vector_index_query_by_query(index: PgvectorIndex) -> None:
    with replace(index, ef_search=20)._transaction() as connection:
        store = pgvector_table.find_table(connection, index)
        plan = explain(connection, store.nearest("<=>", [str(q.tolist()) for q in QUERIES[:20]], 10))
    (scan,) = [line for line in plan.splitlines() if "Index Scan using chunks_hnsw" in line]
    assert "loops=20" in scan
    assert "Seq Scan" not in plan


def test_ef_search_reaches_the_server(index: PgvectorIndex) -> None:
    assert [len(row) for row in replace(index, ef_search=5).search(QUERIES[:3], 20).ids] == [5, 5, 5]
    assert [len(row) for row in replace(index, ef_search=50).search(QUERIES[:3], 20).ids] == [20, 20, 20]


def test_probes_reach_the_server(index: PgvectorIndex) -> None:
    with replace(index, probes=7)._transaction() as connection:
        assert connection.scalar(sa.text("SHOW ivfflat.probes")) == "7"


def test_the_transaction_cannot_write(index: PgvectorIndex) -> None:
    with pytest.raises(EdgeError, match="read-only"), index._transaction() as connection:
        connection.execute(sa.text("DELETE FROM rag.chunks"))


def test_fewer_rows_than_k_are_padded_with_nan(index: PgvectorIndex) -> None:
    answer = replace(index, table="half").search(QUERIES[:2], 600)
    assert [len(row) for row in answer.ids] == [500, 500]
    assert np.isnan(answer.scores[:, 500:]).all()
    assert np.isfinite(answer.scores[:, :500]).all()


def test_an_unusable_query_gets_no_answer_and_the_others_theirs(index: PgvectorIndex) -> None:
    queries = VECTORS[:4].copy()
    queries[1], queries[2] = np.nan, 0
    answer = index.search(queries, 3)
    assert [row[:1] for row in answer.ids] == [IDS[:1], [], [], IDS[3:4]]
    assert np.isnan(answer.scores[1:3]).all()
    assert index.search(queries[:0], 3).ids == []


def test_a_row_of_zero_length_is_no_answer_under_cosine(engine: sa.Engine, index: PgvectorIndex) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE rag.zero (id text, embedding vector(2))"))
        fill(connection, ["zero", "one"], np.array([[0, 0], [1, 0]], dtype=np.float32), "rag.zero")
    zero = replace(index, table="zero")
    assert zero.search(np.ones((1, 2), np.float32), 2).ids == [["one"]]
    assert replace(zero, metric="l2").search(np.zeros((1, 2), np.float32), 2).ids == [["zero", "one"]]


def test_the_sample_is_the_bottom_of_the_hashes(index: PgvectorIndex) -> None:
    sample = index.sample(40)
    chosen = bottom_k(IDS, 40)
    assert sample.ids == tuple(IDS[i] for i in chosen)
    np.testing.assert_array_equal(sample.vectors, VECTORS[chosen])
    assert sample.size == 3000
    assert len(index.sample(10_000).ids) == 3000


def test_the_sample_of_whole_number_ids_hashes_their_text(index: PgvectorIndex) -> None:
    names = [str(i) for i in range(500)]
    sample = replace(index, table="half").sample(9)
    assert sample.ids == tuple(names[i] for i in bottom_k(names, 9))
    assert sample.vectors.dtype == np.float32
    np.testing.assert_array_equal(sample.vectors, VECTORS[bottom_k(names, 9)].astype(np.float16))


def test_the_sample_can_come_from_an_index(engine: sa.Engine, index: PgvectorIndex) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text('CREATE INDEX chunks_hash ON rag.chunks (md5(id::text) COLLATE "C")'))
        connection.execute(sa.text("ANALYZE rag.chunks"))
    with index._transaction() as connection:
        plan = explain(connection, pgvector_table.find_table(connection, index).bottom(10))
    assert "Index Scan using chunks_hash" in plan


def test_rows_without_id_or_vector_duplicates_and_other_dimensions_are_left_out(index: PgvectorIndex) -> None:
    mixed = replace(index, table="mixed")
    sample = mixed.sample(10)
    assert set(sample.ids) == {"a", "b"}
    assert sample.vectors.shape == (2, 16)
    assert "mixed dimensions" in mixed.describe()
    with pytest.raises(EdgeError, match=r"different vector dimensions.*embedder"):
        mixed.search(QUERIES[:1], 1)


def test_beyond_a_size_the_planners_estimate_does(
    index: PgvectorIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgvector_table, "COUNTED_UP_TO", 100)
    with index._transaction() as connection:
        assert (
            pgvector_table.find_table(connection, index).size(connection) == 3000
        )  # ANALYZE has just looked


def test_describe_says_what_is_there_and_whether_an_index_serves(index: PgvectorIndex) -> None:
    text = index.describe()
    assert "chunks.embedding: 3000 vectors of 16 dimensions, cosine, index chunks_hnsw (hnsw)" in text
    assert text.startswith("pgvector 0.")
    assert "no index for this metric" in replace(index, metric="l2").describe()


def test_views_and_hostile_names(index: PgvectorIndex) -> None:
    assert replace(index, table="latest").search(VECTORS[:1], 1).ids == [IDS[:1]]
    nasty = replace(index, table=NASTY, id_column="Id %s", vector_column="em:b")
    assert nasty.search(VECTORS[:1], 1).ids == [IDS[:1]]
    assert nasty.sample(2).size == 5
    assert "5 vectors" in nasty.describe()
    assert index.sample(1).size == 3000  # nothing was dropped


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"table": "chunk"}, r"index\.table: .*did you mean 'chunks'"),
        ({"table": "x" * 40}, r"index\.table: .*there are: .*latest"),
        ({"schema": "rga"}, r"index\.schema: .*did you mean 'rag'"),
        ({"vector_column": "embeding"}, r"index\.vector_column: .*did you mean 'embedding'"),
        ({"id_column": "uid"}, r"index\.id_column: .*did you mean 'id'"),
        ({"vector_column": "id"}, r"is of type TEXT, not vector or halfvec; columns of vectors: embedding"),
    ],
)
def test_names_that_are_not_there_are_refused_with_a_hint(
    index: PgvectorIndex, fields: dict[str, Any], message: str
) -> None:
    wrong = replace(index, **fields)
    for act in (lambda: wrong.search(QUERIES[:1], 1), lambda: wrong.sample(1), wrong.describe):
        with pytest.raises(ConfigError, match=message):
            act()


def test_queries_of_another_dimension_and_an_empty_table(index: PgvectorIndex) -> None:
    with pytest.raises(EdgeError, match=r"4 dimensions.*16; use the embedder"):
        index.search(QUERIES[:, :4], 1)
    with pytest.raises(ValueError, match="k is 0"):
        index.search(QUERIES, 0)
    empty = replace(index, table="empty")
    assert empty.search(QUERIES[:2], 3).ids == [[], []]
    with pytest.raises(EdgeError, match="holds no vectors"):
        empty.sample(3)


def test_a_statement_that_takes_too_long_ends_in_time(engine: sa.Engine, index: PgvectorIndex) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE VIEW rag.slow AS SELECT id, embedding FROM rag.chunks WHERE pg_sleep(0.01) IS NOT NULL"
            )
        )
    start = time.monotonic()
    with pytest.raises(EdgeTimeoutError, match=r"within 0\.3 s"):
        replace(index, table="slow", timeout=0.3).search(QUERIES[:1], 1)
    assert time.monotonic() - start < 5


def test_a_server_that_stops_answering_is_cut_off(engine: sa.Engine, index: PgvectorIndex) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE VIEW rag.stuck AS SELECT id, embedding FROM rag.chunks WHERE pg_sleep(20) IS NOT NULL"
            )
        )
    start = time.monotonic()
    with stopped(engine, "%stuck%") as pids, pytest.raises(EdgeTimeoutError, match=r"within 1 s"):
        replace(index, table="stuck", timeout=1).search(QUERIES[:1], 1)
    assert pids  # its own time-out could not run
    assert time.monotonic() - start < 15


def test_an_unreachable_server_fails_fast_and_shows_no_password() -> None:
    with socket.socket() as probe:  # a port that is taken and not served
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        url = f"postgresql://watcher:s3cr3t-word@127.0.0.1:{port}/rag"
        index = PgvectorIndex(SecretStr(url), "chunks", timeout=2)
        start = time.monotonic()
        with pytest.raises(EdgeError) as caught:
            index.describe()
    assert time.monotonic() - start < 5
    assert "127.0.0.1" in str(caught.value)
    assert "check that the server runs" in str(caught.value)
    for text in (str(caught.value), repr(index), repr(caught.value.__cause__)):
        assert "s3cr3t-word" not in text


def test_a_server_that_accepts_and_says_nothing_is_a_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = SecretStr(f"postgresql://watcher@127.0.0.1:{silent.getsockname()[1]}/rag")
        start = time.monotonic()
        with pytest.raises(EdgeTimeoutError):
            PgvectorIndex(url, "chunks", timeout=1).sample(1)
    assert time.monotonic() - start < 8


def test_the_missing_extra_is_named(index: PgvectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pgvector.sqlalchemy", None)
    with pytest.raises(EdgeError, match=r'pip install "retrieval-drift-monitor\[pgvector\]"'):
        index.sample(1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "nonsense"}, "no database URL"),
        ({"url": "mysql://me:s3cr3t-word@host/db"}, "names 'mysql'"),
        ({"table": ""}, "table is empty"),
        ({"id_column": ""}, "id_column is empty"),
        ({"metric": "manhattan"}, "metric"),
        ({"timeout": 0}, "timeout is 0"),
        ({"ef_search": 1001}, "ef_search is 1001"),
        ({"probes": 0}, "probes is 0"),
    ],
)
def test_bad_fields_are_refused_and_show_no_secret(fields: dict[str, Any], message: str) -> None:
    good = {"url": "postgres://me:s3cr3t-word@host/db", "table": "chunks"}
    adapter = TypeAdapter(PgvectorIndex)
    assert "s3cr3t-word" not in repr(adapter.validate_python(good))
    with pytest.raises(ValueError, match=message) as caught:
        adapter.validate_python(good | fields)
    assert "s3cr3t-word" not in str(caught.value)


@pytest.mark.parametrize("name", ["table", "id_column", "vector_column"])
def test_half_a_character_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} holds half a character"):
        replace(PgvectorIndex(SecretStr("postgresql://host/db"), "chunks"), **{name: "\ud800"})  # type: ignore[arg-type]
