from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Record, Rejection
from monitor.sources.file import FileSource
from monitor.sources.json_lines import first_keys

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(minutes=15)
GOOD = json.dumps({"id": "good", "at": START.isoformat(), "hits": ["a"], "scores": [0.5]}).encode()

JUNK = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"{", b"}", b"[", b'"', b":", b"1", b"null", b"\\ud800", b"\xff", b" "])).map(
        b"".join
    ),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=20).map(
        lambda t: json.dumps(t).encode()
    ),
    st.dictionaries(st.sampled_from(["id", "at", "vector", "hits"]), st.none() | st.floats() | st.text()).map(
        lambda row: json.dumps(row).encode()
    ),
)


@given(st.lists(JUNK, max_size=12))
def test_arbitrary_bytes_cost_their_lines_and_no_other(junk: list[bytes]) -> None:
    pieces = [line for piece in junk for line in piece.split(b"\n")]
    with TemporaryDirectory() as folder:
        path = Path(folder, "log.jsonl")
        path.write_bytes(b"".join(GOOD + b"\n" + piece + b"\n" for piece in pieces) + GOOD)
        entries = list(FileSource(str(path)).read(START, END))
    good = [entry for entry in entries if isinstance(entry, Record) and entry.id == "good"]
    assert len(good) == len(pieces) + 1
    assert all(isinstance(entry, Rejection) for entry in entries if entry not in good)
    # Each piece that is not blank, and has no time of its own elsewhere, is one rejection.
    spoken = {int(entry.where.rpartition(":")[2]) for entry in entries if isinstance(entry, Rejection)}
    for number, piece in enumerate(pieces):
        line = 2 * number + 2
        assert (line in spoken) or not piece.strip() or b'"at"' in piece


def test_a_line_is_never_held_beyond_its_limit(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + GOOD)
    tracemalloc.start()
    try:
        entries = list(FileSource(str(path), max_line_bytes=1 << 16).read(START, END))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [getattr(e, "reason", None) or getattr(e, "id", None) for e in entries] == [
        "line_too_long",
        "good",
    ]
    assert peak < 8 << 20


def test_keys_come_in_the_order_of_their_appearance(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"b": 1, "a": 2}\nbroken\n\n[1]\n{"a": 1, "c": 2}\n{"d": 1}\n')
    assert first_keys(path, 1000, 4) == ("b", "a", "c")
