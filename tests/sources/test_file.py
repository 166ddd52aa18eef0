from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from monitor.errors import ConfigError, EdgeError
from monitor.protocols import LogSource
from monitor.sources.file import FileSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from monitor.records import Record, Rejection

    Split = Callable[[Any], tuple[list[Record], list[Rejection]]]
    Span = tuple[datetime, datetime]

COLUMNS = {
    name: name for name in ("id", "at", "text", "vector", "model", "hits", "scores")
} | {"segments": {"tenant": "tenant"}, "feedback": {"clicked": "clicked"}}  # fmt: skip


def _source(path: Path | str, **options: Any) -> FileSource:
    return TypeAdapter(FileSource).validate_python({"path": str(path), **options})


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps({**row, "at": row["at"].isoformat()}).encode() + b"\n" for row in rows)


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        _write_parquet(path, rows)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(_lines(rows)))
    else:
        path.write_bytes(_lines(rows))


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz", "log.parquet"])
def test_every_kind_of_file_gives_the_same_records(
    tmp_path: Path, log_rows: list[dict[str, Any]], window: Span, split: Split, name: str
) -> None:
    _write(tmp_path / name, log_rows)
    source = _source(tmp_path / name, columns=COLUMNS)
    for _ in range(2):  # the second time by the index
        records, rejections = split(source.read(*window))
        assert rejections == []
        assert [r.id for r in records] == [f"q{i}" for i in range(15)]
        third = records[3]
        assert (third.at, third.text, third.model) == (log_rows[3]["at"], "question 3", "model-a")
        assert (third.hits, third.scores) == (("d3", "d7"), (0.75, 0.25))
        assert (third.segments, third.feedback) == ({"tenant": "acme"}, {"clicked": 1.0})
        assert third.vector is not None
        assert third.vector.tolist() == [3.0, 0.5, -1.25]


def test_the_fields_own_names_are_the_default(tmp_path: Path, window: Span, split: Split) -> None:
    path = tmp_path / "log.jsonl"
    row = {"id": 1, "at": "2026-03-02T00:01:00Z", "segments": {"lang": "de"}, "feedback": {"up": True}}
    path.write_text(json.dumps(row))  # no newline at the end
    [record], rejections = split(_source(path).read(*window))
    assert rejections == []
    assert (record.id, record.segments, record.feedback) == ("1", {"lang": "de"}, {"up": 1.0})


def test_directory_and_glob(
    tmp_path: Path, log_rows: list[dict[str, Any]], window: Span, split: Split
) -> None:
    _write(tmp_path / "a" / "1.jsonl", log_rows[:5])
    _write(tmp_path / "b" / "c" / "2.jsonl.gz", log_rows[5:10])
    _write(tmp_path / "b" / "3.parquet", log_rows[10:])
    (tmp_path / "b" / "notes.txt").write_text("no log")
    assert len(split(_source(tmp_path, columns=COLUMNS).read(*window))[0]) == 15
    assert len(split(_source(tmp_path / "**" / "*.jsonl", columns=COLUMNS).read(*window))[0]) == 5
    assert len(split(_source(tmp_path / "b" / "*", columns=COLUMNS).read(*window))[0]) == 5


def test_bad_lines_cost_a_line_each(
    tmp_path: Path, log_rows: list[dict[str, Any]], window: Span, split: Split
) -> None:
    path = tmp_path / "log.jsonl"
    good = _lines(log_rows[:2]).splitlines()
    bad = [
        b"{broken",
        b"\xff\xfe{}",
        b"[1]",
        b"[" * 100_000,
        b'{"id": ' + b"1" * 5000 + b', "at": "2026-03-02T00:00:00Z"}',
        b'{"id": "' + b"x" * 200_000 + b'"}',
        b'{"id": "n", "at": "2026-03-02T00:00:00"}',
    ]
    path.write_bytes(b"\n".join([good[0], *bad, b"", b"  ", good[1]]))
    records, rejections = split(_source(path, max_line_bytes=150_000).read(*window))
    assert [r.id for r in records] == ["q0", "q1"]
    assert [(r.reason, r.where) for r in rejections] == [
        *[("broken_json", f"{path}:{number}") for number in range(2, 7)],
        ("line_too_long", f"{path}:7"),
        ("naive_timestamp", f"{path}:8"),
    ]


def test_a_bad_line_is_counted_in_one_window_alone(
    tmp_path: Path, log_rows: list[dict[str, Any]], split: Split
) -> None:
    path = tmp_path / "log.jsonl"
    lines = _lines(log_rows).splitlines()
    path.write_bytes(b"\n".join([*lines[:8], b"{broken", *lines[8:]]))
    source = _source(path)
    start = log_rows[0]["at"]
    counts = []
    for minute in range(0, 20, 5):
        begin = start + timedelta(minutes=minute)
        counts.append(len(split(source.read(begin, begin + timedelta(minutes=5)))[1]))
    assert counts == [0, 1, 0, 0]


def test_a_timezone_makes_naive_times_readable(tmp_path: Path, split: Split) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"id": "n", "at": "2026-03-02T01:00:00"}')
    start = datetime(2026, 3, 2, tzinfo=UTC)
    [record], _ = split(_source(path, timezone="Europe/Berlin").read(start, start + timedelta(minutes=1)))
    assert record.at == start


def test_a_byte_order_mark_is_no_flaw(tmp_path: Path, window: Span, split: Split) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"id": "n", "at": "2026-03-02T00:00:00Z"}\r\n', encoding="utf-8-sig")
    assert [r.id for r in split(_source(path).read(*window))[0]] == ["n"]


def test_times_ahead_of_the_clock_are_rejected(
    tmp_path: Path,
    log_rows: list[dict[str, Any]],
    window: Span,
    split: Split,
    set_clock: Callable[[Any, datetime], None],
) -> None:
    path = tmp_path / "log.jsonl"
    wrong = {**log_rows[1], "at": log_rows[1]["at"].replace(year=2126)}
    _write(path, [log_rows[0], wrong, log_rows[2]])
    source = _source(path)
    set_clock(source, window[1])
    for _ in range(2):
        records, rejections = split(source.read(*window))
        assert len(records) == 2
        assert [r.reason for r in rejections] == ["future_time"]


def test_a_file_that_changes_is_read_anew(
    tmp_path: Path, log_rows: list[dict[str, Any]], window: Span, split: Split
) -> None:
    path = tmp_path / "log.jsonl"
    _write(path, log_rows[:3])
    source = _source(path)
    assert len(split(source.read(*window))[0]) == 3
    with path.open("ab") as file:
        file.write(_lines(log_rows[3:5]))
    assert len(split(source.read(*window))[0]) == 5
    _write(path, log_rows[5:6])
    assert [r.id for r in split(source.read(*window))[0]] == ["q5"]


def test_a_read_that_was_left_early_teaches_nothing(
    tmp_path: Path, log_rows: list[dict[str, Any]], window: Span, split: Split
) -> None:
    path = tmp_path / "log.jsonl"
    _write(path, log_rows)
    source = _source(path)
    entries = source.read(*window)
    next(entries)
    entries.close()  # type: ignore[attr-defined]  # a generator
    assert len(split(source.read(*window))[0]) == 15


def test_lines_are_read_as_they_are_asked_for(
    tmp_path: Path, log_rows: list[dict[str, Any]], window: Span
) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(_lines(log_rows))[:-12])  # cut off: to read it whole would fail
    entries = _source(path).read(*window)
    assert not isinstance(next(entries), Exception)
    entries.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.jsonl.gz", b"no gzip"),
        ("log.jsonl.gz", gzip.compress(b'{"id": 1}\n' * 100, mtime=0)[:-12]),
        ("log.jsonl.gz", gzip.compress(bytes(range(256)) * 40, mtime=0)[:20] + b"\xff" * 90),
        ("log.parquet", b"no parquet"),
        ("log.parquet", b"PAR1" + b"\xff" * 90 + b"PAR1"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, window: Span, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EdgeError, match=rf"log file .*{name}: cannot be read .*; repair it or move it away"):
        list(_source(tmp_path / name).read(*window))


def test_a_path_with_nothing_to_read_is_an_edge_error(tmp_path: Path, window: Span) -> None:
    (tmp_path / "log.csv").write_text("id,at\n")
    for path in (tmp_path / "missing.jsonl", tmp_path, tmp_path / "*.parquet"):
        with pytest.raises(EdgeError, match=r"source\.path: no file"):
            next(_source(path).read(*window))
    with pytest.raises(EdgeError, match=r"source\.path: .*log\.csv is none of \.jsonl"):
        _source(tmp_path / "log.csv").describe()


def test_what_is_found_is_described(tmp_path: Path, log_rows: list[dict[str, Any]]) -> None:
    _write(tmp_path / "old.jsonl", log_rows)
    _write(tmp_path / "new.jsonl", log_rows)
    os.utime(tmp_path / "old.jsonl", (1, 1))
    os.utime(tmp_path / "new.jsonl", (1772409600, 1772409600))
    columns = {"id": "id", "at": "at", "text": "query", "segments": {"tenant": "tenant"}}
    assert _source(tmp_path, columns=columns).describe() == (
        f"2 files at {tmp_path}, newest new.jsonl of 2026-03-02T00:00:00+00:00: mapped id, at, segments.tenant, "
        "not seen text"
    )
    assert _source(tmp_path).describe().endswith("mapped id, at, text, vector, model, hits, scores")
    (tmp_path / "new.jsonl").write_bytes(b"")
    assert _source(tmp_path / "new.jsonl").describe().endswith("no entry yet")


def test_a_mistyped_id_is_told_before_the_first_window(
    tmp_path: Path, log_rows: list[dict[str, Any]]
) -> None:
    _write(tmp_path / "log.jsonl", log_rows)
    with pytest.raises(ConfigError, match=r"source\.columns\.at: .* has no key 'att'; did you mean 'at'"):
        _source(tmp_path / "log.jsonl", columns={"id": "id", "at": "att"}).describe()


def test_it_is_a_log_source_and_its_fields_are_its_configuration(tmp_path: Path) -> None:
    source = _source(tmp_path, columns=COLUMNS)
    assert isinstance(source, LogSource)
    assert source == _source(tmp_path, columns=COLUMNS)
    assert {name for name, f in FileSource.__dataclass_fields__.items() if not f.init} == {"clock", "indexes"}
    assert source.indexes is not _source(tmp_path).indexes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": ""}, "path: must name"),
        ({"max_line_bytes": 10}, "max_line_bytes: must be at least"),
        ({"timezone": "Mars"}, "timezone: 'Mars'"),
        ({"columns": {"txet": "x"}}, "did you mean 'text'"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FileSource(**{"path": "log.jsonl", **options})
