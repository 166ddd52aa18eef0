from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from monitor.web.charts import HEIGHT, WIDTH, describe, draw

NOTHING: dict[str, list[Any]] = {"incidents": [], "baselines": [], "events": []}


def stream(
    values: list[float | None], limit: float | None = None, fired: tuple[int, ...] = ()
) -> dict[str, Any]:
    points = [
        {"at": float(i), "value": v, "n": 5, "depth": None if v is None else 2.0, "fired": i in fired}
        for i, v in enumerate(values)
    ]
    return {"key": 'a.<b>"', "limit": limit, "points": points}


def parts(svg: str, name: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314 our own drawing
    return [e.get("d", "") for e in root if e.get("class") == name]


def test_a_gap_is_no_line() -> None:
    svg = draw(stream([1.0, 2.0, None, 3.0, 2.5]), NOTHING, 0, 4)
    assert [line.count("L") for line in parts(svg, "line")] == [1, 1]


def test_the_highest_value_stands_above_the_lowest_and_all_is_inside() -> None:
    svg = draw(stream([1.0, 9.0, 5.0], limit=4.0, fired=(1,)), NOTHING, 0, 2)
    (line,) = parts(svg, "line")
    numbers = [tuple(map(float, pair.split())) for pair in re.findall(r"[\d.]+ [\d.]+", line)]
    assert [x for x, _ in numbers] == [0.0, WIDTH / 2, WIDTH]
    assert numbers[1][1] < numbers[2][1] < numbers[0][1]
    assert all(0 <= y <= HEIGHT for _, y in numbers)
    assert len(parts(svg, "limit")) == len(parts(svg, "fired")) == 1


@pytest.mark.parametrize("values", [[], [None], [0.0], [3.0, 3.0], [1e-300, 1e300], [-1.0, 1.0]])
def test_whatever_was_measured_can_be_drawn(values: list[float | None]) -> None:
    svg = draw(stream(values), NOTHING, 0, 0)
    ET.fromstring(svg)  # noqa: S314 our own drawing
    assert "nan" not in svg
    assert "inf" not in svg.replace("inflation", "")


def test_marks_outside_the_time_are_left_out() -> None:
    marks = {
        "incidents": [
            {"from": 1.0, "to": 2.0, "severity": "critical"},
            {"from": 90.0, "to": 99.0, "severity": "warning"},
        ],
        "baselines": [{"at": 1.0}, {"at": -5.0}],
        "events": [{"at": 2.0}, {"at": 50.0}],
    }
    svg = draw(stream([1.0, 2.0, 3.0]), marks, 0, 2)
    assert svg.count("<rect") == 1
    assert len(parts(svg, "event")) == len(parts(svg, "baseline")) == 1


def test_a_chart_says_what_it_shows() -> None:
    assert describe(stream([1.0, 4.0, 2.0], 3.0, (1,))) == (
        'a.<b>": 3 readings, latest 2, from 1 to 4, limit 3, fired in 1'
    )
    assert describe(stream([None])).endswith("no reading in this time")
    assert "<b>" not in draw(stream([1.0]), NOTHING, 0, 1)
