from __future__ import annotations

from typing import Any

import pytest

from monitor.sources.labels import Places, read_label_column, read_labels
from monitor.sources.values import FlawError, read_segment

COLUMNS: list[list[Any]] = [["q1", "q2", "q3"], [{"a": "b"}, None, {"a": []}], ["x", None, 7]]


@pytest.mark.parametrize(
    ("places", "expected", "odd"),
    [
        (None, None, set()),
        (1, [{"a": "b"}, {}, {}], {2}),
        ((("t", 2), ("id", 0)), [{"t": "x", "id": "q1"}, {"id": "q2"}, {"t": "7", "id": "q3"}], set()),
    ],
)
def test_labels_of_a_batch(
    places: Places | None, expected: list[dict[str, str]] | None, odd: set[int]
) -> None:
    found: set[int] = set()
    assert read_label_column(places, COLUMNS, read_segment, found) == expected
    assert found == odd


def test_rows_without_labels_have_no_column() -> None:
    assert read_label_column(0, [[None, None]], read_segment, set()) is None


def test_what_cannot_be_read_is_told() -> None:
    flaws: list[FlawError] = []
    assert read_labels(0, ['{"a": "b", "c": []}'], read_segment, "bad_segments", flaws) == {"a": "b"}
    assert read_labels(0, ["x"], read_segment, "bad_segments", flaws) == {}
    assert [flaw.reason for flaw in flaws] == ["bad_segments"] * 2
