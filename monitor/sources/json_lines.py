"""Reading JSON lines, plain or gzipped: whatever a line holds, the next one is read."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from monitor.errors import EdgeError
from monitor.records import Rejection
from monitor.sources.json_text import load_json
from monitor.sources.line_index import LineIndex
from monitor.sources.log_files import LogFile, version_of
from monitor.sources.rows import RowReader

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line: where it starts, its number from 1, and its bytes, or None where it is too long."""

    offset: int
    number: int
    content: bytes | None


def read_json_lines(
    file: LogFile, longest: int, reader: RowReader, indexes: MutableMapping[str, LineIndex]
) -> Iterator[tuple[str, Sequence[Any] | Rejection]]:
    """Yield ``file:line`` and the values of each line as ``reader.names`` has them, or why there are none.

    Memory is bounded by ``longest``, the bytes that a line may have. A file that was read whole before and has not
    changed is read only where its index says that the window may be. Raises `EdgeError`.
    """
    names, path = reader.names, Path(file.name)
    known = indexes.get(file.name)
    runs = [] if known is None else [*known.runs(reader.overlaps)]
    if known is not None and known.version == file.version and not runs:
        return
    with _opened(path) as stream:
        version = version_of(os.fstat(stream.fileno()))
        if known is not None and known.version == version:
            for offset, end, number in runs:
                reader.inside = offset == 0  # the line before a run is outside the window
                stream.seek(offset)
                for line in _lines(stream, longest, offset, number, end):
                    yield _values(path, line, longest, names)
            return
        index = LineIndex(version)
        for line in _lines(stream, longest):
            yield _values(path, line, longest, names)
            index.add(line.offset, line.number, reader.at)
        indexes[file.name] = index


def first_keys(path: Path, longest: int, count: int) -> tuple[str, ...]:
    """Return the keys of the first ``count`` lines' objects, in the order of their appearance; raises `EdgeError`."""
    with _opened(path) as stream:
        rows = [_parse(line.content, "") for line in islice(_lines(stream, longest), count) if line.content]
    return tuple(dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield cast("BinaryIO", stream)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise EdgeError(f"log file {path}: cannot be read ({reason}); repair it or move it away") from error


def _lines(
    stream: BinaryIO, longest: int, offset: int = 0, number: int = 1, end: int | None = None
) -> Iterator[Line]:
    """Yield the lines of ``[offset, end)`` that are not blank; ``number`` is that of the first."""
    while (end is None or offset < end) and (content := stream.readline(longest + 1)):
        size = len(content)
        if size > longest and not content.endswith(b"\n"):
            while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
                size += len(rest)
            yield Line(offset, number, None)
            size += len(rest)
        elif not content.isspace():
            yield Line(offset, number, content)
        offset += size
        number += 1


def _values(
    path: Path, line: Line, longest: int, names: Sequence[str]
) -> tuple[str, Sequence[Any] | Rejection]:
    where = f"{path}:{line.number}"
    if line.content is None:
        return where, Rejection("line_too_long", where, f"more than {longest} bytes")
    row = _parse(line.content, where)
    return where, row if isinstance(row, Rejection) else [row.get(name) for name in names]


def _parse(content: bytes, where: str) -> dict[str, Any] | Rejection:
    try:
        row = load_json(content)
    except json.JSONDecodeError as error:
        return Rejection("broken_json", where, f"{error.msg} at column {error.colno}")
    except UnicodeDecodeError as error:
        return Rejection("broken_json", where, f"byte {error.start + 1} is not UTF-8")
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, nesting without end
        return Rejection("broken_json", where, type(error).__name__)
    if isinstance(row, dict):
        return row
    return Rejection("broken_json", where, f"{type(row).__name__} where an object is expected")
