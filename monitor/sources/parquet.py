"""Reading Parquet in batches; the one door to pyarrow, imported only where there is such a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import ConfigError, EdgeError
from monitor.records import IntArray, Ragged
from monitor.sources.batch import Column, in_utc
from monitor.sources.columns import REQUIRED, ColumnMap, hint, named
from monitor.sources.log_files import LogFile, Version
from monitor.sources.rows import RowReader

_BATCH = 2000
_UNREADABLE = object()
"""Stands for a value that Arrow holds and Python cannot, such as a time after the year 9999."""


@dataclass(frozen=True, slots=True)
class RowGroups:
    """The first and last time of each row group of a file, None where it does not tell."""

    version: Version
    spans: tuple[tuple[datetime, datetime] | None, ...]


def parquet_columns(path: Path) -> tuple[str, ...]:
    """Return the names of a file's columns; raises `EdgeError`."""
    with _opened(path) as file:
        return tuple(file.schema_arrow.names)


def read_parquet(
    file: LogFile, columns: ColumnMap, reader: RowReader, known: MutableMapping[str, Any]
) -> Iterator[tuple[Sequence[Column], Callable[[int], str]]]:
    """Yield batches: the columns that ``reader.names`` has, and what tells ``file:row`` of each row.

    Row groups that cannot reach into the reader's window are passed over. ``known`` is kept for the next window: a
    file that has not changed and has nothing for it is not even opened.

    Raises
    ------
    EdgeError
        When the file cannot be read, or pyarrow is not installed.
    ConfigError
        When it has no column for the id or the time.
    """
    groups = known.get(file.name)
    if groups is None or groups.version != file.version:
        groups = None
    elif not any(span is None or reader.overlaps(*span) for span in groups.spans):
        return
    path = Path(file.name)
    with _opened(path) as opened:
        existing = opened.schema_arrow.names
        check_parquet_columns(path, {name: columns[name] for name in REQUIRED}, existing)
        wanted = [name for name in reader.names if name in existing]
        kinds = {columns.get(field): field for field in ("vector", "scores", "hits")}
        number = 1
        if groups is None:
            spans = [_time_span(opened, group, str(columns["at"])) for group in range(opened.num_row_groups)]
            groups = known[file.name] = RowGroups(file.version, tuple(spans))
        for group, span in enumerate(groups.spans):
            if span is not None and not reader.overlaps(*span):
                number += opened.metadata.row_group(group).num_rows
                reader.inside = False  # what has no time in the next group follows a row outside
                continue
            for batch in opened.iter_batches(_BATCH, row_groups=[group], columns=wanted, use_threads=False):
                lists = {name: _values(batch.column(name), kinds.get(name)) for name in wanted}
                absent = [None] * batch.num_rows
                yield [lists.get(name, absent) for name in reader.names], _places(path, number)
                number += batch.num_rows


def _places(path: Path, first: int) -> Callable[[int], str]:
    return lambda row: f"{path}:row {first + row}"


def check_parquet_columns(path: Path, columns: ColumnMap, existing: Sequence[str]) -> None:
    """Raise `ConfigError` with the close matches when a mapped column is not in the file."""
    for field, name in named(columns):
        if name not in existing:
            raise ConfigError(
                f"source.columns.{field}: {path} has no column {name!r}; {hint(name, existing)}"
            )


def _unreadable(path: Path, reason: object) -> EdgeError:
    return EdgeError(f"log file {path}: cannot be read ({reason}); repair it or move it away")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415  heavy, and an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise EdgeError(
            f'{path}: reading Parquet needs pyarrow; pip install "retrieval-drift-monitor[parquet]"'
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a name in a broken footer
        raise _unreadable(path, error) from error


def _time_span(file: Any, group: int, name: str) -> tuple[datetime, datetime] | None:
    """Return the first and last time of a row group, None where its statistics do not tell for every row."""
    places = [place for place in range(len(file.schema)) if file.schema.column(place).path == name]
    if len(places) != 1:
        return None
    # Over broken metadata of a column pyarrow ends the whole process. To read a row of it first raises instead.
    next(file.iter_batches(1, row_groups=[group], columns=[name]), None)
    statistics = file.metadata.row_group(group).column(places[0]).statistics
    if statistics is None or not statistics.has_min_max or statistics.null_count != 0:
        return None
    try:
        first, last = statistics.min, statistics.max
    except (ValueError, OverflowError):
        return None
    # Only timestamps: texts and numbers of mixed units are not in the order of time.
    if isinstance(first, datetime) and isinstance(last, datetime) and first.tzinfo and last.tzinfo:
        return first, last
    return None


def _values(column: Any, field: str | None) -> Column:
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
    if _is_list(pa, kind) and (pa.types.is_floating(kind.value_type) or pa.types.is_string(kind.value_type)):
        return _list_values(pa, column, field)
    if pa.types.is_timestamp(kind):
        return _moments(pa, column)
    try:
        if pa.types.is_map(kind):  # labels; of a key that stands twice the last is taken, as in JSON
            return [None if pairs is None else dict(pairs) for pairs in column.to_pylist()]
        return column.to_pylist()  # type: ignore[no-any-return]  # pyarrow is untyped
    except (ValueError, OverflowError, pa.ArrowException):
        return [_scalar(pa, value) for value in column]


def _list_values(pa: Any, column: Any, field: str | None) -> Column:
    """Return lists of floats or texts end to end where the field is one of lists, else each as a Python list."""
    floats = pa.types.is_floating(column.type.value_type)
    if floats and field == "vector":
        return _vectors(pa, column)
    try:
        if field == ("scores" if floats else "hits"):
            return _ragged(pa, column, float if floats else object)
        return _lists(pa, column)
    except (ValueError, pa.ArrowException):  # one text that is not UTF-8 costs one row
        return [_scalar(pa, value) for value in column]


def _moments(pa: Any, column: Any) -> list[Any]:
    """Return timestamps as times; Arrow keeps those that have a zone in UTC, and so do we."""
    zone = column.type.tz
    if column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", zone), safe=False)
    moments = column.to_numpy(zero_copy_only=False).tolist()
    if set(map(type, moments)) == {datetime}:
        return moments if zone is None else in_utc(moments)
    # What the calendar of Python does not hold comes as a number.
    return [
        value.replace(tzinfo=zone and UTC) if isinstance(value, datetime) else value and _UNREADABLE
        for value in moments
    ]


def _scalar(pa: Any, value: Any) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return _UNREADABLE


def _is_list(pa: Any, kind: Any) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _vectors(pa: Any, column: Any) -> Column:
    """Return lists of one length as a matrix ``(n, d)`` float32, else each as a view: no number becomes an object."""
    numbers, edges, valid = _flat(pa, column)
    lengths = np.diff(edges)
    if len(lengths) and valid.all() and (lengths == lengths[0]).all():
        with np.errstate(over="ignore"):  # beyond float32 is infinite, which the profile counts
            matrix = numbers.astype(np.float32, copy=False)
        return matrix.reshape(len(lengths), -1)
    return [numbers[a:b] if ok else None for a, b, ok in zip(edges[:-1], edges[1:], valid, strict=True)]


def _ragged(pa: Any, column: Any, kind: type) -> Ragged[Any]:
    """Return lists end to end, in an array of ``kind``."""
    values, edges, valid = _flat(pa, column)
    if valid.all():
        return Ragged(values.astype(kind, copy=False), edges, valid)
    # What stands behind an absent list is anything.
    lists = zip(edges[:-1], edges[1:], valid, strict=True)
    return Ragged.of((values[a:b].tolist() if ok else None for a, b, ok in lists), kind)


def _flat(pa: Any, column: Any) -> tuple[NDArray[Any], IntArray, NDArray[np.bool_]]:
    """Return the values of lists end to end, where each row's begin and the last ends, and which rows have one."""
    edges, valid = _edges(pa, column)
    # A column may be a slice of a longer one, whose other values are not ours.
    values = column.values.slice(edges[0], edges[-1] - edges[0]).to_numpy(zero_copy_only=False)
    return values, edges - edges[0], valid


def _lists(pa: Any, column: Any) -> list[Any]:
    """Return each list as a Python list: all values are converted in one go, which is much faster than by row."""
    found, valid = _edges(pa, column)
    edges = found.tolist()
    first = edges[0]
    values = column.values.slice(first, edges[-1] - first).to_pylist()
    rows = zip(edges[:-1], edges[1:], valid.tolist(), strict=True)
    return [values[a - first : b - first] if ok else None for a, b, ok in rows]


def _edges(pa: Any, column: Any) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return where in the column's values each row's list begins, the end of the last, and which rows have one."""
    if pa.types.is_fixed_size_list(column.type):
        size = column.type.list_size
        edges = (column.offset + np.arange(len(column) + 1)) * size
    else:
        edges = column.offsets.to_numpy().astype(np.int64)
    return edges, column.is_valid().to_numpy(zero_copy_only=False)
