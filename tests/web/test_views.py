from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitor.records import CollectionStatus, Reading, Snapshot, Verdict
from monitor.web import summarize
from monitor.web.views import MOST_POINTS, MOST_ROWS, collection_view

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@dataclass
class Seen:
    start: datetime
    end: datetime
    readings: tuple[Reading, ...]
    verdict: Verdict = field(default_factory=lambda: Verdict("quiet"))
    baseline_id: int | None = 7


def view(make_status: Callable[..., CollectionStatus], windows: list[Seen]) -> dict[str, Any]:
    (row,) = summarize(Snapshot(NOW, (make_status(),)))["collections"]
    made = collection_view(row, windows, (), (), (), (), since=NOW - timedelta(days=1), now=NOW)
    json.dumps(made, allow_nan=False)
    return made


def seen(ago: int, *readings: Reading, fired: tuple[str, ...] = ()) -> Seen:
    end = NOW - ago * QUARTER
    verdict = Verdict("drift", "critical", (), fired) if fired else Verdict("quiet")
    return Seen(end - QUARTER, end, readings, verdict)


def distance(value: float, status: Any = "ok") -> Reading:
    return Reading("centroid_distance", "queries", value, 400, status, log_p=-0.5, effect_floor=0.02)


def test_what_fires_comes_first_and_what_has_fired_next(make_status: Any) -> None:
    others = [Reading(name, "scores", 0.1, 5) for name in ("a", "b", "c")]
    windows = [seen(2, *others, fired=("c.scores",)), seen(1, *others)]
    assert [s["key"] for s in view(make_status, windows)["streams"]] == ["c.scores", "a.scores", "b.scores"]


def test_a_long_past_is_thinned_and_keeps_what_fired_and_what_stands_out(make_status: Any) -> None:
    windows = [seen(3000 - i, distance(0.01)) for i in range(3000)]
    windows[1234] = seen(3000 - 1234, distance(0.9))
    windows[777] = seen(3000 - 777, distance(0.02), fired=("centroid_distance.queries",))
    made = view(make_status, windows)
    (stream,) = made["streams"]
    assert len(stream["points"]) == MOST_POINTS
    assert max(p["value"] for p in stream["points"]) == 0.9
    assert sum(p["fired"] for p in stream["points"]) == stream["fired"] == 1
    assert (made["windows_seen"], len(made["past"])) == (3000, MOST_ROWS)


def test_windows_that_are_missing_leave_a_gap(make_status: Any) -> None:
    windows = [seen(ago, distance(0.01)) for ago in (40, 39, 38, 3, 2, 1)]
    (stream,) = view(make_status, windows)["streams"]
    assert [p["value"] for p in stream["points"]].count(None) == 1


def test_a_reading_that_cannot_be_used_is_no_point(make_status: Any) -> None:
    windows = [seen(2, distance(0.5, "insufficient")), seen(1, distance(math.inf))]
    (stream,) = view(make_status, windows)["streams"]
    assert [p["value"] for p in stream["points"]] == [None, None]


def test_a_limit_stands_on_the_scale_of_what_is_drawn(make_status: Any) -> None:
    recall = Reading("recall", "suite", 0.7, 9, effect=0.2, effect_floor=0.05, detail={"baseline": 0.9})
    other = Reading("other", "suite", 0.7, 9, effect=3.0, effect_floor=0.05)
    streams = {
        s["detector"]: s for s in view(make_status, [seen(1, recall, other, distance(0.1))])["streams"]
    }
    assert math.isclose(streams["recall"]["limit"], 0.85)
    assert streams["other"]["limit"] is None
    assert streams["centroid_distance"]["limit"] == 0.02
