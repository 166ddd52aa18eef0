"""Searches a table of PostgreSQL with pgvector as production does, through its index where it has one."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import quoted_name

from monitor.deadlines import restart
from monitor.errors import ConfigError, EdgeError
from monitor.indexes.postgres import open_transaction, parse_url
from monitor.records import CorpusSample, Metric, Ranking
from monitor.stats.exact_search import usable_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection

    from monitor.records import VectorArray

QUERIES_AT_ONCE = 64
"""Queries per statement: one round trip, and one timeout, for so many."""

COUNTED_UP_TO = 5_000_000
"""Rows up to which the corpus is counted; beyond, the planner's estimate does, for a count reads the whole table."""

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
            store = _find(connection, self)
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
            store = _find(connection, self)
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
            store = _find(connection, self)
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


@dataclass(frozen=True, slots=True)
class _Store:
    """The table as the database has it: no name of the configuration reaches SQL unseen."""

    table: sa.TableClause
    id: sa.ColumnClause[Any]
    vector: sa.ColumnClause[Any]
    type: Any
    dimension: int | None

    def check_dimension(self, asked: int) -> None:
        if self.dimension not in (None, asked):
            raise EdgeError(
                f"The queries have {asked} dimensions, the column {self.vector.name} of {self.table.name} has "
                f"{self.dimension}; use the embedder that filled the index."
            )

    def nearest(self, operator: str, vectors: Sequence[str], k: int) -> sa.Select[Any]:
        """Select ``(number from 1, id, distance)`` of the k nearest rows of every vector."""
        array = sa.cast(
            sa.cast(sa.literal(list(vectors), ARRAY(sa.Text)), ARRAY(sa.Text)), ARRAY(self.type())
        )
        queries = (
            sa.func.unnest(array)
            .table_valued(sa.column("vector", self.type()), with_ordinality="number")
            .render_derived(name="queries")
        )
        distance = self.vector.op(operator, return_type=sa.Float())(queries.c.vector)
        # The planner can use the index for each query because the subquery orders by nothing but the distance.
        hits = (
            sa.select(sa.cast(self.id, sa.Text).label("id"), distance.label("distance"))
            .order_by(distance)
            .limit(k)
            .lateral("hits")
        )
        return (
            sa.select(queries.c.number, hits.c.id, hits.c.distance)
            .select_from(queries.join(hits, sa.true()))
            .order_by(queries.c.number, hits.c.distance)
        )

    @property
    def sent(self) -> str:
        """How numpy calls the numbers of a vector as the server sends it: big-endian single or half precision."""
        return ">f2" if self.type.__name__ == "HALFVEC" else ">f4"

    def bottom(self, n: int) -> sa.Select[str, bytes]:
        """Select id and vector, as sent, of the n rows with the smallest hash: the order of `hash_id`.

        Not as text: reading 2,000 vectors of 384 decimal numbers takes 0.25 s of CPU, of as many bytes 0.01 s.
        """
        name = sa.cast(self.id, sa.Text)
        send = sa.Function(f"{self.type.__name__.lower()}_send", self.vector, type_=sa.LargeBinary())
        return (
            sa.select(name.label("id"), send.label("vector"))
            .where(self.id.is_not(None), self.vector.is_not(None))
            .order_by(sa.collate(sa.func.md5(name), "C"))
            .limit(n)
        )

    def size(self, connection: Connection) -> int:
        """Return how many rows have a vector, about so many where a count would take long."""
        estimate = connection.scalar(
            sa.text("SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name)"),
            {"name": self._name(connection)},
        )
        if estimate and estimate > COUNTED_UP_TO:
            return int(estimate)
        count = sa.select(sa.func.count()).where(self.id.is_not(None), self.vector.is_not(None))
        return int(connection.scalar(count.select_from(self.table)) or 0)

    def indexes(self, connection: Connection, operator_class: str) -> list[str]:
        """Return the names and kinds of the valid indexes whose operator class serves the metric."""
        statement = sa.text(
            "SELECT i.relname || ' (' || a.amname || ')' FROM pg_index x"
            " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am a ON a.oid = i.relam"
            " JOIN pg_opclass o ON o.oid = x.indclass[0]"
            " WHERE x.indrelid = to_regclass(:name) AND x.indisvalid AND o.opcname = :class ORDER BY 1"
        )
        wanted = {"name": self._name(connection), "class": f"{self.type.__name__.lower()}_{operator_class}"}
        return list(connection.scalars(statement, wanted))

    def _name(self, connection: Connection) -> str:
        return connection.dialect.identifier_preparer.format_table(self.table)


def _find(connection: Connection, index: PgvectorIndex) -> _Store:
    """Look table and columns up; raises `ConfigError` with what there is instead."""
    from pgvector.sqlalchemy import HALFVEC, VECTOR  # noqa: PLC0415 - names the types for reflection, too

    inspector = sa.inspect(connection)
    schema = index.schema
    if schema is not None and schema not in (schemas := inspector.get_schema_names()):
        raise ConfigError(f"index.schema: there is no schema {schema!r}; {_hint(schema, schemas)}")
    try:
        types = {column["name"]: column["type"] for column in inspector.get_columns(index.table, schema)}
    except sa.exc.NoSuchTableError:
        known = [
            *inspector.get_table_names(schema),
            *inspector.get_view_names(schema),
            *inspector.get_materialized_view_names(schema),
        ]
        raise ConfigError(
            f"index.table: there is no table or view {index.table!r}; {_hint(index.table, known)}"
        ) from None
    for key, name in (("id_column", index.id_column), ("vector_column", index.vector_column)):
        if name not in types:
            raise ConfigError(
                f"index.{key}: the table {index.table!r} has no column {name!r}; {_hint(name, types)}"
            )
    kind = types[index.vector_column]
    if not isinstance(kind, VECTOR | HALFVEC):
        vectors = [name for name, other in types.items() if isinstance(other, VECTOR | HALFVEC)]
        raise ConfigError(
            f"index.vector_column: {index.vector_column!r} is of type {kind}, not vector or halfvec; "
            f"{'columns of vectors: ' + ', '.join(vectors) if vectors else 'the table has no column of vectors'}"
        )
    table = sa.table(
        quoted_name(index.table, quote=True),
        sa.column(quoted_name(index.id_column, quote=True)),
        sa.column(quoted_name(index.vector_column, quote=True), kind),
        schema=None if schema is None else quoted_name(schema, quote=True),
    )
    return _Store(table, table.c[index.id_column], table.c[index.vector_column], type(kind), kind.dim)


def _hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"did you mean {close[0]!r}?" if close else f"there are: {shown or 'none'}"


def _spell(vector: VectorArray) -> str:
    """Write a vector as PostgreSQL reads it; nine digits tell every number of single precision from the next."""
    return f"[{('%.9g,' * len(vector))[:-1] % tuple(vector.tolist())}]"
