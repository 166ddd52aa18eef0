"""A batch of rows read column by column: a few calls over all values instead of many for each.

Every function reads one field of all rows. Where all values of the column are plain (ASCII texts, blobs, JSON lists of
texts or of finite numbers) the whole column is read at once; otherwise each value goes its own way through
:mod:`monitor.sources.values`. A row in which something is wrong is added to ``odd`` and gets None: what is wrong
with it :meth:`monitor.sources.rows.RowReader.read` tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from itertools import chain
from types import NoneType
from typing import Any, TypeVar, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from monitor.records import FloatArray, IntArray, Ragged
from monitor.records.columns import Vectors, one_matrix
from monitor.sources.values import (
    BLOBS,
    FlawError,
    VectorDtype,
    read_hits,
    read_id,
    read_scores,
    read_text,
    read_time,
    read_vector,
)

Column = Sequence[Any] | NDArray[Any] | Ragged[Any]
Value = TypeVar("Value")

_TEXT, _LIST, _BLOB, _ARRAY, _FLOAT = {str}, {list}, {bytes}, {np.ndarray}, {float}
_FLOAT32 = np.dtype(np.float32)
_EPOCH, _NAIVE_EPOCH = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)  # noqa: DTZ001 that is what it is for


def read_each(read: Callable[[Any], Value], column: Iterable[Any], odd: set[int]) -> list[Value | None]:
    """Return each value as ``read`` reads it."""
    found: list[Value | None] = []
    for row, value in enumerate(column):
        try:
            found.append(read(value))
        except FlawError:
            odd.add(row)
            found.append(None)
    return found


def read_times(column: Column, zone: tzinfo | None, odd: set[int]) -> Sequence[datetime | None]:
    """Return each time in UTC."""
    moments: list[Any] = []
    kinds = set(map(type, column))
    if kinds == {datetime}:
        moments = list(column)
    elif kinds == _TEXT:
        try:
            moments = list(map(datetime.fromisoformat, column))
        except ValueError:
            kinds = set()
    if moments and all(moment.tzinfo is UTC for moment in moments):
        return moments
    if moments and zone is UTC and all(moment.tzinfo is None for moment in moments):
        return in_utc(moments)
    return read_each(lambda value: read_time(value, zone), column, odd)


def in_utc(moments: Iterable[datetime]) -> list[datetime]:
    """Return times without a zone as times in UTC, in a tenth of the time that `datetime.replace` takes."""
    return [_EPOCH + (moment - _NAIVE_EPOCH) for moment in moments]


def read_ids(column: Column, odd: set[int]) -> Sequence[str | None]:
    """Return each id as text."""
    if _are_ascii(column) and all(column):
        return cast("Sequence[str]", column)
    return read_each(read_id, column, odd)


def read_texts(column: Column, odd: set[int]) -> Sequence[str | None] | None:
    """Return each text, None where there is none; None where no row has any."""
    if _are_absent(column):
        return None
    return cast("Sequence[str]", column) if _are_ascii(column) else read_each(read_text, column, odd)


def read_vectors(column: Column, dtype: VectorDtype, odd: set[int]) -> Vectors:
    """Return the vectors as one matrix ``(n, d)`` float32 where they have one dimension, else each ``(d,)``.

    Those that are returned one by one are in memory of their own; None where no row has any.
    """
    if isinstance(column, np.ndarray):
        return column
    if _are_absent(column):
        return None
    kinds = set(map(type, column))
    if kinds == _BLOB and BLOBS[dtype] == _FLOAT32 and len(set(map(len, column))) == 1:
        try:
            return np.frombuffer(b"".join(cast("Sequence[bytes]", column)), _FLOAT32).reshape(len(column), -1)
        except ValueError:
            pass  # they are no whole number of float32
    vectors = read_each(lambda value: read_vector(value, dtype), column, odd)
    return one_matrix(vectors)


def read_hit_lists(
    column: Column, hit_id: str, hit_score: str, odd: set[int]
) -> tuple[Ragged[str] | None, list[list[Any] | None] | None]:
    """Return the document ids of each row, and the raw scores beside them; None for what no row has."""
    if _are_absent(column):
        return None, None
    hits: Ragged[str] | None
    if isinstance(column, Ragged):
        hits = replace(column, present=np.ones(len(column), dtype=bool))  # an absent list is an empty answer
    else:
        lists = _lists([value for value in column if value is not None])
        hits = None if lists is None else Ragged.of(_spread(column, lists, ()), object)
    if hits is not None and _are_ascii(hits.values) and all(hits.values.tolist()):
        return hits, None
    pairs = [pair or ((), None) for pair in read_each(lambda v: read_hits(v, hit_id, hit_score), column, odd)]
    return Ragged.of((ids for ids, _ in pairs), object), [scores for _, scores in pairs]


def read_score_lists(column: Column, hits: IntArray | None, odd: set[int]) -> Ragged[float] | None:
    """Return the scores of each row, one per hit where ``hits`` ``(n,)`` counts them; None where no row has any."""
    scores = column if isinstance(column, Ragged) else _ragged(column)
    if (
        scores is not None
        and _are_finite(scores.values)
        and (hits is None or (scores.lengths == hits)[scores.present].all())
    ):
        return scores
    if _are_absent(column):
        return None
    counts: Iterable[int | None] = [None] * len(column) if hits is None else hits.tolist()
    return Ragged.of(read_each(lambda pair: read_scores(*pair), zip(column, counts, strict=True), odd))


def _ragged(column: Column) -> Ragged[float] | None:
    """Return lists of floats end to end; None unless every value that is there is one."""
    lists = _lists([value for value in column if value is not None])
    if lists is None or not set(map(type, chain.from_iterable(lists))) <= _FLOAT:
        return None
    return Ragged.of(_spread(column, lists, None))


def take(column: Column, rows: IntArray) -> Any:
    """Return the values of these rows, as the column has them."""
    if isinstance(column, np.ndarray):
        return column[rows]
    return column.take(rows) if isinstance(column, Ragged) else [column[row] for row in rows.tolist()]


def _are_absent(column: Column) -> bool:
    """Tell whether there are rows, and none has a value."""
    if isinstance(column, Ragged):
        return len(column) > 0 and not column.present.any()
    return set(map(type, column)) == {NoneType}


def _are_ascii(column: Iterable[Any]) -> bool:
    """Tell whether all are texts in ASCII, which UTF-8 can hold for certain."""
    try:
        return "".join(column).isascii()
    except TypeError:
        return False


def _lists(values: Sequence[Any]) -> list[list[Any]] | None:
    """Return the values as lists, parsed where they are JSON; None unless every one of them is a list."""
    kinds = set(map(type, values))
    if kinds == _TEXT:
        try:
            values = list(map(orjson.loads, values))
        except orjson.JSONDecodeError:
            return None
        kinds = set(map(type, values))
    return list(values) if kinds <= _LIST else None


def _are_finite(values: FloatArray) -> bool:
    """Tell whether all are finite: their sum is, only where every one of them is."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(values.sum())


def _spread(column: Column, found: Iterable[Value], absent: Any) -> list[Any]:
    """Return what was found of the values that are there, and ``absent`` in the place of the others."""
    values = iter(found)
    return [absent if value is None else next(values) for value in column]
