from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Rejection
from monitor.sources import line_index
from monitor.sources.file import FileSource
from monitor.sources.line_index import LineIndex

if TYPE_CHECKING:
    import pytest

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(minutes=1)


def test_only_the_blocks_of_a_window_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_index, "BLOCK", 2)
    index = LineIndex((1,))
    for number in range(1, 11):
        index.add(100 * (number - 1), number, START + number * STEP)

    def runs(first: int, last: int) -> list[tuple[int, int | None, int]]:
        span = START + first * STEP, START + last * STEP
        return list(index.runs(lambda a, b: a < span[1] and b >= span[0]))

    assert runs(3, 4) == [(200, 400, 3)]
    assert runs(4, 6) == [(200, 600, 3)]
    assert runs(9, 99) == [(800, None, 9)]
    assert runs(50, 99) == []


def test_an_entry_without_a_time_is_where_the_one_before_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_index, "BLOCK", 1)
    index = LineIndex((1,))
    for number, at in enumerate((None, START, None, START + STEP), 1):
        index.add(100 * (number - 1), number, at)
    assert list(index.runs(lambda a, _: a == START)) == [(0, 300, 1)]  # the first has none before it
    assert list(index.runs(lambda a, _: a > START)) == [(0, 100, 1), (300, None, 4)]


LINE = st.one_of(
    st.integers(0, 9).map(lambda minute: json.dumps({"id": "x", "at": (START + minute * STEP).isoformat()})),
    st.sampled_from(["{broken", '{"id": "x"}', "", '{"id": "x", "at": "2126-01-01T00:00:00Z"}', "z" * 2000]),
)


WINDOWS = [(START + minute * STEP, START + (minute + 2) * STEP) for minute in range(0, 10, 2)]


def _read(source: FileSource, window: tuple[datetime, datetime]) -> list[tuple[str, str]]:
    entries = source.read(*window)
    return [(e.reason, e.where) if isinstance(e, Rejection) else (e.id, e.at.isoformat()) for e in entries]


@given(st.lists(LINE, max_size=30), st.integers(1, 4), st.sampled_from(["log.jsonl", "log.jsonl.gz"]))
def test_reading_by_the_index_is_reading(lines: list[str], block: int, name: str) -> None:
    content = "\n".join(lines).encode()
    with TemporaryDirectory() as folder, mock.patch.object(line_index, "BLOCK", block):
        path = Path(folder, name)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        # A new source knows nothing of the file; one that has read it whole goes by what it has learnt.
        plainly = [_read(FileSource(str(path), max_line_bytes=1024), window) for window in WINDOWS]
        source = FileSource(str(path), max_line_bytes=1024)
        _read(source, WINDOWS[0])
        assert [_read(source, window) for window in WINDOWS] == plainly
