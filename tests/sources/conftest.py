"""One small log, as rows, that every source test writes in its own form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from monitor.records import Record, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(minutes=15)


@pytest.fixture
def window() -> tuple[datetime, datetime]:
    return START, END


@pytest.fixture
def log_rows() -> list[dict[str, Any]]:
    """Twenty entries, one a minute: fifteen in the window, then one at its very end."""
    return [
        {
            "id": f"q{i}",
            "at": START + timedelta(minutes=i),
            "text": f"question {i}",
            "vector": [float(i), 0.5, -1.25],
            "model": "model-a",
            "hits": [f"d{i}", "d7"],
            "scores": [0.75, 0.25],
            "tenant": "acme",
            "clicked": i % 2,
        }
        for i in range(20)
    ]


@pytest.fixture
def split() -> Callable[[Iterable[Record | Rejection]], tuple[list[Record], list[Rejection]]]:
    """Part what a source yields into records, in order of time, and rejections."""

    def part(entries: Iterable[Record | Rejection]) -> tuple[list[Record], list[Rejection]]:
        records: list[Record] = []
        rejections: list[Rejection] = []
        for entry in entries:
            if isinstance(entry, Record):
                records.append(entry)
            else:
                rejections.append(entry)
        return sorted(records, key=lambda record: record.at), rejections

    return part


@pytest.fixture
def set_clock() -> Callable[[Any, datetime], None]:
    """Set the clock of a source: no part of its configuration, so no argument of its constructor."""
    return lambda source, now: object.__setattr__(source, "clock", lambda: now)
