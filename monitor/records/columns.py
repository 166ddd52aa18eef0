"""Records in columns: a window is read, sampled and measured by a few calls over all values, not by some for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain, repeat
from typing import Any, Generic, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from monitor.records.record import IntArray, Record, VectorArray

Value = TypeVar("Value")
Vectors = VectorArray | Sequence[VectorArray | None] | None

_SETTERS = tuple(getattr(Record, field.name).__set__ for field in fields(Record))


@dataclass(frozen=True, slots=True, eq=False)
class Ragged(Generic[Value]):
    """Lists end to end: row i is ``values[edges[i]:edges[i + 1]]``, or None where ``present`` says so.

    ``values`` is ``(m,)``, float64 or objects, ``edges`` ``(n + 1,)`` int64, ``present`` ``(n,)`` bool.
    What is absent is empty.
    """

    values: NDArray[Any]
    edges: IntArray
    present: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Iterable[Sequence[Value] | None], kind: type = float) -> Ragged[Value]:
        """Return the rows end to end, in an array of ``kind``."""
        known = list(rows)
        lengths = np.fromiter((len(row or ()) for row in known), np.int64, len(known))
        values: NDArray[Any] = np.fromiter(
            chain.from_iterable(row for row in known if row), kind, int(lengths.sum())
        )
        present = np.fromiter((row is not None for row in known), np.bool_, len(known))
        return cls(values, _edges(lengths), present)

    @classmethod
    def join(cls, parts: Sequence[Ragged[Value]]) -> Ragged[Value]:
        """Return the rows of all parts, one part after the other."""
        return cls(
            np.concatenate([part.values[part.edges[0] : part.edges[-1]] for part in parts]),
            _edges(np.concatenate([part.lengths for part in parts])),
            np.concatenate([part.present for part in parts]),
        )

    @property
    def lengths(self) -> IntArray:
        """How many values each row has, ``(n,)``."""
        return np.diff(self.edges)

    def take(self, rows: IntArray) -> Ragged[Value]:
        """Return these rows, in this order."""
        lengths = self.lengths[rows]
        edges = _edges(lengths)
        places = np.repeat(self.edges[rows] - edges[:-1], lengths) + np.arange(edges[-1])
        return Ragged(self.values[places], edges, self.present[rows])

    def __len__(self) -> int:
        return len(self.present)

    def __getitem__(self, row: int) -> tuple[Value, ...] | None:
        if not self.present[row]:
            return None
        return tuple(self.values[self.edges[row] : self.edges[row + 1]].tolist())

    def __iter__(self) -> Iterator[tuple[Value, ...] | None]:
        values, edges = self.values.tolist(), self.edges.tolist()
        for begin, end, present in zip(edges[:-1], edges[1:], self.present.tolist(), strict=True):
            yield tuple(values[begin:end]) if present else None


def _edges(lengths: IntArray) -> IntArray:
    edges = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=edges[1:])
    return edges


@dataclass(frozen=True, slots=True, eq=False)
class Records(Sequence[Record]):
    """Records, each field of all of them in a column; a field that no record has is None.

    ``vectors`` is one matrix ``(n, d)`` float32 where every record has a vector of the same dimension, else a list.
    A record taken out of it looks into the matrix: :meth:`take` copies what it takes.
    """

    ids: Sequence[str]
    times: Sequence[datetime]
    texts: Sequence[str | None] | None = None
    vectors: Vectors = None
    models: Sequence[str | None] | None = None
    hits: Ragged[str] | None = None
    scores: Ragged[float] | None = None
    segments: Sequence[Mapping[str, str]] | None = None
    feedback: Sequence[Mapping[str, float]] | None = None

    @classmethod
    def of(cls, records: Iterable[Record]) -> Records:
        """Return records in columns; those that are already are returned as they are."""
        if isinstance(records, Records):
            return records
        known = list(records)
        scores = [record.scores for record in known]
        return cls(
            [record.id for record in known],
            [record.at for record in known],
            _present([record.text for record in known]),
            one_matrix([record.vector for record in known]),
            _present([record.model for record in known]),
            Ragged.of((r.hits for r in known), object) if any(r.hits for r in known) else None,
            None if all(row is None for row in scores) else Ragged.of(scores),
            [record.segments for record in known] if any(record.segments for record in known) else None,
            [record.feedback for record in known] if any(record.feedback for record in known) else None,
        )

    @classmethod
    def join(cls, parts: Sequence[Records]) -> Records:
        """Return the records of all parts, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            [*chain.from_iterable(part.ids for part in parts)],
            [*chain.from_iterable(part.times for part in parts)],
            _chained([(part.texts, len(part)) for part in parts], lambda: None),
            _stacked(parts),
            _chained([(part.models, len(part)) for part in parts], lambda: None),
            _joined([(part.hits, len(part)) for part in parts], (), object),
            _joined([(part.scores, len(part)) for part in parts], None, float),
            _chained([(part.segments, len(part)) for part in parts], dict),
            _chained([(part.feedback, len(part)) for part in parts], dict),
        )

    @property
    def with_vector(self) -> int:
        """How many records have a vector."""
        if self.vectors is None or isinstance(self.vectors, np.ndarray):
            return 0 if self.vectors is None else len(self.vectors)
        return sum(vector is not None for vector in self.vectors)

    def take(self, rows: IntArray) -> Records:
        """Return the records of these rows, in this order, in memory of their own."""
        chosen = rows.tolist()

        def of(column: Sequence[Value] | None) -> list[Value] | None:
            return None if column is None else [column[row] for row in chosen]

        vectors = self.vectors
        if vectors is not None and not isinstance(vectors, np.ndarray):
            # Each may be a view of the matrix of a batch, all of which it would keep alive.
            vectors = [None if (v := vectors[row]) is None else np.array(v) for row in chosen]
        return Records(
            [self.ids[row] for row in chosen],
            [self.times[row] for row in chosen],
            of(self.texts),
            vectors[rows] if isinstance(vectors, np.ndarray) else vectors,
            of(self.models),
            None if self.hits is None else self.hits.take(rows),
            None if self.scores is None else self.scores.take(rows),
            of(self.segments),
            of(self.feedback),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> Record | Records:
        rows = np.arange(len(self))[index]
        return self.take(rows) if isinstance(index, slice) else next(iter(self.take(np.array([rows]))))

    def __iter__(self) -> Iterator[Record]:
        rows = len(self)
        columns: tuple[Iterable[Any], ...] = (
            self.ids,
            self.times,
            repeat(None, rows) if self.texts is None else self.texts,
            repeat(None, rows) if self.vectors is None else self.vectors,
            repeat(None, rows) if self.models is None else self.models,
            repeat((), rows) if self.hits is None else self.hits,
            repeat(None, rows) if self.scores is None else self.scores,
            ({} for _ in range(rows)) if self.segments is None else self.segments,
            ({} for _ in range(rows)) if self.feedback is None else self.feedback,
        )
        # A frozen class looks up how to set a value for each value anew, which costs more than reading it.
        made = [object.__new__(Record) for _ in range(rows)]
        for put, column in zip(_SETTERS, columns, strict=True):
            deque(map(put, made, column), maxlen=0)
        return iter(made)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(map(_are_equal, self, other))

    __hash__ = None  # type: ignore[assignment]  # its arrays have none


def one_matrix(vectors: Sequence[VectorArray | None]) -> Vectors:
    """Return vectors of one dimension as a matrix ``(n, d)``, None where there is none at all, else as they are."""
    lengths = {None if vector is None else len(vector) for vector in vectors}
    if lengths <= {None}:
        return None
    if len(lengths) > 1:
        return vectors
    # Several times quicker than np.stack, which makes an array of each row first.
    rows = cast("Sequence[VectorArray]", vectors)
    return np.concatenate(rows, dtype=np.float32).reshape(len(rows), -1)


def _present(column: list[Value | None]) -> list[Value | None] | None:
    return None if all(value is None for value in column) else column


def _chained(columns: Sequence[tuple[Any, int]], absent: Callable[[], Any]) -> list[Any] | None:
    if all(column is None for column, _ in columns):
        return None
    return [
        value
        for column, rows in columns
        for value in ((absent() for _ in range(rows)) if column is None else column)
    ]


def _joined(
    columns: Sequence[tuple[Ragged[Value] | None, int]], absent: Sequence[Value] | None, kind: type
) -> Ragged[Value] | None:
    if all(column is None for column, _ in columns):
        return None
    return Ragged.join(
        [Ragged.of([absent] * rows, kind) if column is None else column for column, rows in columns]
    )


def _stacked(parts: Sequence[Records]) -> Vectors:
    columns = [part.vectors for part in parts if len(part)]
    if columns and all(isinstance(column, np.ndarray) for column in columns):
        matrices = cast("list[VectorArray]", columns)
        if len({matrix.shape[1] for matrix in matrices}) == 1:
            return np.concatenate(matrices)
    return _chained([(part.vectors, len(part)) for part in parts], lambda: None)


def _are_equal(one: Record, other: object) -> bool:
    if not isinstance(other, Record):
        return False
    for name in Record.__slots__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, np.ndarray):
            if theirs is None or not np.array_equal(mine, theirs, equal_nan=True):
                return False
        elif theirs is None or mine is None:
            if mine is not theirs:
                return False
        elif mine != theirs:
            return False
    return True
