from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from monitor.sources.row_fields import RowFields, RowFormat
from monitor.sources.values import FlawError

NOW = datetime(2026, 3, 2, tzinfo=UTC)
MAPPED: Mapping[str, str | Mapping[str, str]] = {
    "id": "key",
    "at": "time",
    "text": "q",
    "hits": "found",
    "segments": {"tenant": "org", "key": "key"},
}
FIELDS = RowFields(MAPPED, RowFormat(UTC))


def test_every_column_has_one_place_and_the_id_the_first() -> None:
    assert FIELDS.names == ("key", "time", "q", "found", "org")
    assert FIELDS.names[FIELDS.at] == "time"


def test_one_row_and_many_make_the_same_records() -> None:
    rows = [("a", NOW, "why", ["d1"], "acme"), ("", NOW, "how", [], None), ("b", NOW, None, ["d2", "d3"], 7)]
    records, sound = FIELDS.records(list(zip(*rows, strict=True)), [NOW] * 3)
    assert sound.tolist() == [0, 2]
    assert [*records] == [FIELDS.record(rows[row], NOW, "")[0] for row in sound]
    with pytest.raises(FlawError, match="missing_id"):
        FIELDS.record(rows[1], NOW, "")
