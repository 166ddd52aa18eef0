"""A log in files: JSON lines, gzipped or not, and Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError
from monitor.records import Record, Records, Rejection
from monitor.sources.columns import REQUIRED, ColumnMap, check_columns, complete, hint, named
from monitor.sources.json_lines import first_keys, read_json_lines
from monitor.sources.log_files import list_files
from monitor.sources.parquet import check_parquet_columns, parquet_columns, read_parquet
from monitor.sources.row_fields import RowFormat
from monitor.sources.rows import RowReader, each
from monitor.sources.values import VectorDtype, read_zone

_LOOKED_AT = 100
"""Lines that `describe` reads to see what keys there are."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FileSource:
    """Retrieval logged to files.

    A file that grows is read whole for every window; one that does not is read whole once, then by its index (JSON
    lines) or its row groups (Parquet).

    Attributes
    ----------
    path : str
        A file, a directory (read with all below it) or a glob such as ``logs/**/*.jsonl``.
    columns : mapping
        Our field -> key or column; left out, the fields' own names.
    timezone : str or None
        Zone of timestamps that carry none; None rejects them.
    max_line_bytes : int
        Longer lines are rejected unread.
    hit_id, hit_score : str
        Names inside ``hits`` when that is a list of objects.
    vector_dtype : str
        What a binary Parquet column of vectors holds: ``float32`` or ``float16``, little-endian.
    """

    path: str
    columns: ColumnMap = field(default_factory=dict)
    timezone: str | None = None
    max_line_bytes: int = 4 << 20
    hit_id: str = "id"
    hit_score: str = "score"
    vector_dtype: VectorDtype = "float32"
    clock: Callable[[], datetime] = field(default=_now, init=False, repr=False, compare=False)
    # What reading has learnt of the files (LineIndex, RowGroups); Any, so that pydantic asks for no schema.
    indexes: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path: must name a file, a directory or a glob")
        if self.max_line_bytes < 1024:
            raise ValueError("max_line_bytes: must be at least 1024")
        check_columns(self.columns)
        if self.timezone is not None:
            read_zone(self.timezone)

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield the records of ``[start, end)`` file by file; raises `EdgeError` or `ConfigError`."""
        return each(self.read_columns(start, end))

    def read_columns(self, start: datetime, end: datetime) -> Iterator[Records | Record | Rejection]:
        """Yield what :meth:`read` does, the records of Parquet in columns; raises `EdgeError` or `ConfigError`."""
        columns = complete(self.columns)
        zone = None if self.timezone is None else read_zone(self.timezone)
        row_format = RowFormat(zone, self.hit_id, self.hit_score, self.vector_dtype)
        reader = RowReader(columns, row_format, start, end, self.clock())
        for file in list_files(self.path):
            reader.begin()
            if file.name.endswith(".parquet"):
                for batch, place in read_parquet(file, columns, reader, self.indexes):
                    yield from reader.read_columns(batch, place)
                continue
            for where, values in read_json_lines(file, self.max_line_bytes, reader, self.indexes):
                if isinstance(values, Rejection):
                    yield from reader.reject(values.reason, where, values.detail)
                    continue
                record, rejections = reader.read(values, where)
                if record is not None:
                    yield record
                yield from rejections

    def describe(self) -> str:
        """Look into the newest file and say what was found; raises `EdgeError` or `ConfigError`."""
        files = list_files(self.path)
        latest = max(files, key=lambda file: file.version[2])
        newest, changed_ns = Path(latest.name), latest.version[2]
        columns = complete(self.columns)
        if newest.suffix == ".parquet":
            existing = parquet_columns(newest)
            check_parquet_columns(
                newest, self.columns or {name: columns[name] for name in REQUIRED}, existing
            )
        else:
            existing = first_keys(newest, self.max_line_bytes, _LOOKED_AT)
        seen: list[str] = []
        unseen: list[str] = []
        for name, column in named(columns):
            (seen if column in existing else unseen).append(name)
            if existing and column not in existing and name in REQUIRED:
                raise ConfigError(
                    f"source.columns.{name}: {newest} has no key {column!r}; {hint(column, existing)}"
                )
        changed = datetime.fromtimestamp(changed_ns / 1e9, UTC).isoformat(timespec="seconds")
        files_found = f"{len(files)} file{'s' if len(files) > 1 else ''}"
        mapped = f"mapped {', '.join(seen)}" if existing else "no entry yet"
        # An optional field may be rare in JSON lines; a mistyped one is never seen.
        missing = f", not seen {', '.join(unseen)}" if self.columns and existing and unseen else ""
        return f"{files_found} at {self.path}, newest {newest.name} of {changed}: {mapped}{missing}"
