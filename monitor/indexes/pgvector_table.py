"""The table of a pgvector index: looked up by its names, and the statements that read it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import quoted_name

from monitor.errors import ConfigError, EdgeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from monitor.indexes.pgvector import PgvectorIndex

COUNTED_UP_TO = 5_000_000
"""Rows up to which the corpus is counted; beyond, the planner's estimate does, for a count reads the whole table."""


@dataclass(frozen=True, slots=True)
class VectorTable:
    """The table as the database has it: no name of the configuration reaches SQL unseen."""

    table: sa.TableClause
    id: sa.ColumnClause[Any]
    vector: sa.ColumnClause[Any]
    type: Any
    dimension: int | None

    def check_dimension(self, asked: int) -> None:
        """Raise `EdgeError` where the column holds vectors of another dimension."""
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


def find_table(connection: Connection, index: PgvectorIndex) -> VectorTable:
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
    return VectorTable(table, table.c[index.id_column], table.c[index.vector_column], type(kind), kind.dim)


def _hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"did you mean {close[0]!r}?" if close else f"there are: {shown or 'none'}"
