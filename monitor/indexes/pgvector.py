"""Searches a table of PostgreSQL with pgvector as production does, through its index where it has one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import sqlalchemy as sa
from pydantic import SecretStr

from monitor.deadlines import restart
from monitor.errors import EdgeError
from monitor.indexes.pgvector_table import find_table
from monitor.indexes.postgres import open_transaction, parse_url
from monitor.records import CorpusSample, Metric, Ranking
from monitor.stats.exact_search import usable_rows

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection

    from monitor.records import VectorArray

QUERIES_AT_ONCE = 64
"""Queries per statement: one round trip, and one timeout, for so many."""

HEADER = 4
"""Bytes before the numbers of a vector as the server sends it: its dimension, and two that are not used."""

OPERATORS = {"cosine": "<=>", "dot": "<#>", "l2": "<->"}
OPERATOR_CLASSES = {"cosine": "cosine_ops", "dot": "ip_ops", "l2": "l2_ops"}


@dataclass(frozen=True, slots=True)
class PgvectorIndex:
    """A column of type ``vector`` or ``halfvec`` in a table or view, read only.

    A higher score is better: the cosine similarity, the inner product, or the negative distance under ``l2``. The
    corpus sample reads the whole table unless it has the index
    ``CREATE INDEX ON chunks (md5(id::text) COLLATE "C")``.

    Attributes
    ----------
    url : SecretStr
        Database URL; shown nowhere.
    table, schema : str
        Table or view; the schema may be left to the database.
    id_column, vector_column : str
        Where ids, which should be unique, and vectors stand.
    metric : str
        How production compares vectors.
    timeout : float
        Seconds that connecting, or one batch of queries, may take.
    ef_search : int or None
        What production sets for HNSW, which gives at most so many answers (40 unless the server says otherwise).
    probes : int or None
        What production sets for IVFFlat.
    """

    url: SecretStr
    table: str
    schema: str | None = None
    id_column: str = "id"
    vector_column: str = "embedding"
    metric: Metric = "cosine"
    timeout: float = 20.0
    ef_search: int | None = None
    probes: int | None = None

    def __post_init__(self) -> None:
        parse_url(self.url)
        for name in ("table", "id_column", "vector_column"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; name a {name.replace('_', ' ')}")
            if any("\ud800" <= sign <= "\udfff" for sign in getattr(self, name)):
                raise ValueError(
                    f"{name} holds half a character, which no name in a database does; correct it"
                )
        if self.metric not in get_args(Metric):
            raise ValueError(f"metric is {self.metric!r}; it must be one of {', '.join(get_args(Metric))}")
        if not 0 < self.timeout <= 3600:
            raise ValueError(f"timeout is {self.timeout}; it must be above 0 and at most 3600 seconds")
        for name, value, most in (("ef_search", self.ef_search, 1000), ("probes", self.probes, 32_768)):
            if value is not None and not 1 <= value <= most:
                raise ValueError(f"{name} is {value}; pgvector takes 1 to {most}")

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Return the live answers, best first; an unusable vector (NaN, zero under cosine) gets none."""
        if k < 1:
            raise ValueError(f"k is {k}; it must be at least 1")
        vectors = np.asarray(vectors, dtype=np.float32)
        ids: list[list[str]] = [[] for _ in vectors]
        scores = np.full((len(vectors), k), np.nan, dtype=np.float32)
        asked = np.flatnonzero(usable_rows(vectors, self.metric)).tolist()
        with self._transaction() as connection:
            store = find_table(connection, self)
            store.check_dimension(vectors.shape[1])
            for start in range(0, len(asked), QUERIES_AT_ONCE):
                restart(connection)
                batch = asked[start : start + QUERIES_AT_ONCE]
                statement = store.nearest(OPERATORS[self.metric], [_spell(vectors[i]) for i in batch], k)
                for number, identifier, distance in connection.execute(statement).all():
                    # A row of zero length has no cosine: pgvector says NaN and sorts it last.
                    if identifier is not None and distance == distance:  # noqa: PLR0124
                        query = batch[number - 1]
                        scores[query, len(ids[query])] = (
                            1 - distance if self.metric == "cosine" else -distance
                        )
                        ids[query].append(identifier)
        return Ranking(ids, scores)

    def sample(self, n: int) -> CorpusSample:
        """Return the n documents with the smallest hash of their id, and how many documents there are."""
        with self._transaction() as connection:
            store = find_table(connection, self)
            found: dict[str, bytes] = {
                row.id: row.vector for row in connection.execute(store.bottom(n)).all()
            }
            size = store.size(connection)
        if not found:
            raise EdgeError(
                f"The table {self.table} holds no vectors in {self.vector_column}; fill it first."
            )
        rows = {i: np.frombuffer(sent, store.sent, offset=HEADER) for i, sent in found.items()}
        # A column without a dimension may mix them; the corpus is what most rows are.
        dimension = Counter(map(len, rows.values())).most_common(1)[0][0]
        rows = {i: row for i, row in rows.items() if len(row) == dimension}
        return CorpusSample(
            tuple(rows), np.stack(list(rows.values())).astype(np.float32), max(size, len(rows))
        )

    def describe(self) -> str:
        """Connect and say what is there, and whether an index serves the metric."""
        with self._transaction() as connection:
            store = find_table(connection, self)
            version = connection.scalar(
                sa.text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            )
            size = store.size(connection)
            serving = store.indexes(connection, OPERATOR_CLASSES[self.metric])
        return (
            f"pgvector {version}, {self.table}.{self.vector_column}: {size} vectors of "
            f"{store.dimension or 'mixed'} dimensions, {self.metric}, "
            + (
                f"index {', '.join(serving)}"
                if serving
                else "no index for this metric: every search reads the table"
            )
        )

    def _transaction(self) -> AbstractContextManager[Connection]:
        settings = {"hnsw.ef_search": self.ef_search, "ivfflat.probes": self.probes}
        chosen = {name: str(value) for name, value in settings.items() if value is not None}
        return open_transaction(self.url, self.timeout, chosen)


def _spell(vector: VectorArray) -> str:
    """Write a vector as PostgreSQL reads it; nine digits tell every number of single precision from the next."""
    return f"[{('%.9g,' * len(vector))[:-1] % tuple(vector.tolist())}]"
