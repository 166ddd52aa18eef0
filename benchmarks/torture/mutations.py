"""Good log entries, and what may become of one on its way: bytes that break, values of any other kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from monitor.records import Record

START = datetime(2026, 3, 2, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
NOW = START + HOUR
WINDOWS = (
    (datetime.min.replace(tzinfo=UTC), START),
    *((START + i * QUARTER, START + (i + 1) * QUARTER) for i in range(4)),
    (NOW, datetime.max.replace(tzinfo=UTC)),
)
"""All of time in six parts: every entry that has a time is in exactly one of them."""
TEXTS = (
    "how do I reset",
    "ключ не подходит",
    "密码重置",
    "mot de passe oublié",
    "😀 emoji",
    'quote " and \\',
    "a\tb\u2028c",
)

TIMES: tuple[Any, ...] = (
    None, "", "yesterday", "2026-03-02", "2026-03-02T00:05:00", "2026-03-02T00:05:00Z", "2026-03-02 00:05:00+00:00",
    "2026-03-02T00:05:00+99:99", "2026-13-45T99:99:99Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
    "2026-W10-1T00:10:00Z", "20260302T001000Z", "2026-03-02T00:05:00.123456789Z", "١٢٣", "2999-01-01T00:00:00Z", "\0",
    0, -1, 1772409900, 1772409900.25, 1772409900123, 10**30, -(10**30), 1e300, float("nan"), float("inf"), -0.0,
    True, False, [], {}, ["2026-03-02T00:05:00Z"], {"$date": 1772409900123},
)  # fmt: skip
ANYTHING: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 2**64, -(2**63), 10**400, 1.5, -0.0, 5e-324, 1e308, float("nan"), float("inf"),
    float("-inf"), "", " ", "\0", "\ud800", "null", "NaN", "[", "[1, 2", '{"a": 1', "[1e999]", "a" * 10_000,
    "💥" * 3000,
    "'; DROP TABLE logs; --", "<script>alert(1)</script>", "\x1b[31m", [], {}, [[]], [{}], [None], [None, None], [True],
    ["a"], ["a", None], ["a", ""], ["\ud800"], [1, "2", 3.0], [[1.0, 2.0], [3.0]], [[1.0], [2.0]], [1.0, float("nan")],
    [1e39, 1.0], [10**400], [0.0, 0.0, 0.0], ["1.0", "2.0"], [1 + 2**70], {"id": "d1"}, [{"id": None}], [{"id": ""}],
    [{"id": ["x"]}], [{"id": "d1", "score": "high"}, {"id": "d2"}], [{"doc_id": "d9", "score": float("nan")}],
    [{"id": 2**1100}], {"": ""}, {"a": None}, {"a": {"b": 1}}, {"\ud800": "x"}, {"clicked": "yes"}, {"clicked": 1e999},
    "[0.1, 0.2, 0.3]", '["d1", "d2"]', '{"tenant": "acme"}', "[" * 5000, list(range(5000)),
)  # fmt: skip
FIELDS = ("id", "text", "vector", "model", "hits", "scores", "segments", "feedback")


def good_record(rng: np.random.Generator, number: int, name: str = "good") -> Record:
    """Return a sound record of one of the windows; every value has a form that every system can hold."""
    n = int(rng.integers(0, 5))
    scores = tuple(float(x) for x in rng.normal(size=n))
    window = int(rng.integers(len(WINDOWS)))
    offset = timedelta(microseconds=int(rng.integers(QUARTER // timedelta(microseconds=1))))
    # A quarter-hour before the first window, one after the last: those are known to be outside.
    return Record(
        id=f"{name}-{number}",
        at=START + (window - 1) * QUARTER + offset if window < 5 else NOW + offset / 4,
        text=f"{TEXTS[number % len(TEXTS)]} {number}",
        vector=rng.normal(size=6).astype(np.float32),
        model="model-a",
        hits=tuple(f"d{i}" for i in rng.integers(0, 1000, size=n)),
        scores=scores or None,
        segments={"tenant": ("acme", "umbrella")[number % 2]},
        feedback={"clicked": float(number % 2)},
    )


def as_row(record: Record) -> dict[str, Any]:
    """Return a record as a log would hold it."""
    return {
        "id": record.id,
        "at": record.at.isoformat(),
        "text": record.text,
        "vector": [] if record.vector is None else [float(x) for x in record.vector],
        "model": record.model,
        "hits": list(record.hits),
        "scores": None if record.scores is None else list(record.scores),
        "segments": dict(record.segments),
        "feedback": dict(record.feedback),
    }


def is_same(a: Record, b: Record) -> bool:
    """Tell whether two records agree bit for bit."""
    plain = ("id", "at", "text", "model", "hits", "scores", "segments", "feedback")
    if any(repr(getattr(a, name)) != repr(getattr(b, name)) for name in plain):
        return False
    if a.vector is None or b.vector is None:
        return a.vector is b.vector
    return a.vector.dtype == b.vector.dtype and a.vector.tobytes() == b.vector.tobytes()


def spoil_row(rng: np.random.Generator, row: dict[str, Any], *, time: bool = True) -> dict[str, Any]:
    """Return the row with one to three values of another kind, with names missing or doubled in spirit."""
    spoilt = dict(row)
    for _ in range(int(rng.integers(1, 4))):
        name = str(rng.choice(FIELDS))
        kind = rng.random()
        if time and kind < 0.15:
            spoilt["at"] = TIMES[rng.integers(len(TIMES))]
        elif kind < 0.25:
            spoilt.pop(name, None)
        else:
            spoilt[name] = ANYTHING[rng.integers(len(ANYTHING))]
    return spoilt


def spoil_line(rng: np.random.Generator, line: bytes) -> bytes:
    """Return a line that has gone through one to three accidents, still one line and not blank."""
    for _ in range(int(rng.integers(1, 4))):
        line = _ACCIDENTS[rng.integers(len(_ACCIDENTS))](rng, line)
    line = line.replace(b"\n", b" ")
    return line if line.strip() else b"?"


def spoil_file(rng: np.random.Generator, content: bytes) -> bytes:
    """Return a file's content with a few bytes flipped, or a part of it gone; half of the time near its end.

    A Parquet file tells at its end what is in it.
    """
    tail = min(len(content), 2000) if rng.random() < 0.5 else len(content)
    accident = (_flip, _flip, _flip, _truncate, _cut, _repeat)[rng.integers(6)]
    return content[: len(content) - tail] + accident(rng, content[len(content) - tail :])


def _place(rng: np.random.Generator, line: bytes) -> int:
    return int(rng.integers(len(line) + 1))


def _flip(rng: np.random.Generator, line: bytes) -> bytes:
    broken = bytearray(line)
    for _ in range(int(rng.integers(1, 5))):
        if broken:
            broken[rng.integers(len(broken))] = rng.integers(256)
    return bytes(broken)


def _truncate(rng: np.random.Generator, line: bytes) -> bytes:
    return line[: _place(rng, line)]


def _cut(rng: np.random.Generator, line: bytes) -> bytes:
    a, b = sorted((_place(rng, line), _place(rng, line)))
    return line[:a] + line[b:]


def _repeat(rng: np.random.Generator, line: bytes) -> bytes:
    a, b = sorted((_place(rng, line), _place(rng, line)))
    return line[:b] + line[a:]


def _insert(*pieces: bytes) -> Callable[[np.random.Generator, bytes], bytes]:
    def accident(rng: np.random.Generator, line: bytes) -> bytes:
        place = _place(rng, line)
        return line[:place] + pieces[rng.integers(len(pieces))] + line[place:]

    return accident


def _replace_value(*pieces: bytes) -> Callable[[np.random.Generator, bytes], bytes]:
    """Put a token where a value stands, so that the line stays near to JSON."""

    def accident(rng: np.random.Generator, line: bytes) -> bytes:
        colons = [i for i, byte in enumerate(line[:2000]) if byte == ord(":")]
        if not colons:
            return line
        begin = colons[rng.integers(len(colons))] + 1
        end = line.find(b",", begin)
        return line[:begin] + pieces[rng.integers(len(pieces))] + (line[end:] if end > 0 else b"}")

    return accident


def _double_key(rng: np.random.Generator, line: bytes) -> bytes:
    key = str(rng.choice([*FIELDS, "at"]))
    value = ANYTHING[rng.integers(len(ANYTHING))]
    return line.rstrip(b"}\r ") + f', "{key}": {json.dumps(value)}}}'.encode()


def _nest(rng: np.random.Generator, line: bytes) -> bytes:
    depth = int(rng.choice([10, 990, 1010, 3000, 20_000]))
    opening, closing = ((b"[", b"]"), (b'{"a":', b"}"))[rng.integers(2)]
    value = opening * depth + b"1" + closing * (depth if rng.random() < 0.7 else 0)
    return line.rstrip(b"}\r ") + b', "segments": ' + value + b"}"


def _wrap(rng: np.random.Generator, line: bytes) -> bytes:
    before, after = (
        (b"[", b"]"),
        (b'"', b'"'),
        (b"", line),
        (b"\xef\xbb\xbf", b""),
        (b"", b"\r"),
        (b"//", b""),
    )[rng.integers(6)]
    return before + line + after


_ACCIDENTS: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (
    _flip,
    _flip,
    _truncate,
    _cut,
    _repeat,
    _insert(
        b"\0",
        b"\xff\xfe",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x1b[2J",
        b"\r",
        b"\x0b",
        b"\x85",
    ),
    _insert(b"\\ud800", b"\\u0000", b"\\x41", b'"', b"{", b"}", b"[", b"]", b",", b":"),
    _replace_value(
        b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"9" * 5000, b"0." + b"0" * 400 + b"1", b"1E400"
    ),
    _replace_value(
        b"null", b"true", b"[]", b"{}", b'""', b'"\\ud83d"', b"[[[]]]", b"nul", b"'x'", b"0x10", b"+1", b"01"
    ),
    _double_key,
    _nest,
    _wrap,
)
