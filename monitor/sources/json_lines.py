"""Reading JSON lines, plain or gzipped: whatever a line holds, the next one is read."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from monitor.errors import EdgeError
from monitor.records import Rejection

_CHUNK = 1 << 20


def read_lines(path: Path, longest: int) -> Iterator[tuple[str, dict[str, object] | Rejection]]:
    """Yield ``file:line`` and the object on each line, or why there is none; blank lines are passed over.

    Memory is bounded by ``longest``, the bytes that a line may have; raises `EdgeError`.
    """
    try:
        with _open(path) as stream:
            number = 0
            while line := stream.readline(longest + 1):
                number += 1
                where = f"{path}:{number}"
                if len(line) > longest and not line.endswith(b"\n"):
                    _skip_line(stream)
                    yield where, Rejection("line_too_long", where, f"more than {longest} bytes")
                elif not line.isspace():
                    yield where, _parse(line, where)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise EdgeError(f"log file {path}: cannot be read ({reason}); repair it or move it away") from error


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
        pass


def _parse(line: bytes, where: str) -> dict[str, object] | Rejection:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return Rejection("broken_json", where, f"{error.msg} at column {error.colno}")
    except UnicodeDecodeError as error:
        return Rejection("broken_json", where, f"byte {error.start + 1} is not UTF-8")
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, nesting without end
        return Rejection("broken_json", where, type(error).__name__)
    if isinstance(row, dict):
        return row
    return Rejection("broken_json", where, f"{type(row).__name__} where an object is expected")
