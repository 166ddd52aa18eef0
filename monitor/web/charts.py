"""Charts as inline SVG, drawn here: readable without a script, and in a file that is sent by mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, STRIP = 720.0, 96.0, 28.0
"""Of the drawing in its own units: it is stretched to the width there is, lines keep their thickness."""
LOWEST_P = 12.0
"""Powers of ten: a p-value below 1e-12 is drawn like 1e-12."""
Point = Mapping[str, Any]


def draw(stream: Mapping[str, Any], marks: Mapping[str, Any], first: float, last: float) -> str:
    """Return the chart of one stream between two moments (milliseconds since the epoch) as an SVG element.

    Above, the values with their limit, the incidents as bands and events and baselines as lines; below, a strip of
    p-values. Colours are classes of the style sheet, so that light and dark are its business.
    """
    points = [p for p in stream["points"] if p["value"] is not None]
    limit = stream["limit"]
    values = [p["value"] for p in points] + ([] if limit is None else [limit])
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    low, high = low - margin, high + margin

    def x(at: float) -> float:
        return WIDTH * (at - first) / ((last - first) or 1.0)

    def y(value: float) -> float:
        return HEIGHT * (1.0 - (value - low) / (high - low))

    parts = [_band(x(i["from"]), x(i["to"]), i["severity"]) for i in marks["incidents"]]
    parts += [_upright(x(b["at"]), "baseline") for b in marks["baselines"] if first <= b["at"] <= last]
    parts += [_upright(x(e["at"]), "event") for e in marks["events"] if first <= e["at"] <= last]
    if limit is not None:
        parts.append(f'<path class="limit" d="M0 {y(limit):.1f}H{WIDTH:.0f}"/>')
    parts += [f'<path class="line" d="{_line(run, x, y)}"/>' for run in _runs(stream["points"])]
    fired = "".join(f"M{x(p['at']):.1f} {y(p['value']):.1f}h0" for p in points if p["fired"])
    if fired:
        parts.append(f'<path class="fired" d="{fired}"/>')
    strip = _strip(points, x)
    height = HEIGHT + (STRIP if strip else 0.0)
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(describe(stream), quote=True)}">{"".join(parts)}{strip}</svg>'
    )


def describe(stream: Mapping[str, Any]) -> str:
    """Return what a chart shows, for who does not see it."""
    points = [p for p in stream["points"] if p["value"] is not None]
    if not points:
        return f"{stream['key']}: no reading in this time"
    values = [p["value"] for p in points]
    fired = sum(p["fired"] for p in points)
    low, high = min(values), max(values)
    said = f"{stream['key']}: {len(points)} readings, latest {values[-1]:.3g}, from {low:.3g} to {high:.3g}"
    limit = "" if stream["limit"] is None else f", limit {stream['limit']:.3g}"
    return f"{said}{limit}, " + (f"fired in {fired}" if fired else "never fired")


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """Return the stretches without a gap: where nothing was measured, no line is drawn."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point["value"] is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _line(run: Sequence[Point], x: Any, y: Any) -> str:
    if len(run) == 1:
        return f"M{x(run[0]['at']):.1f} {y(run[0]['value']):.1f}h0"
    return "M" + "L".join(f"{x(p['at']):.1f} {y(p['value']):.1f}" for p in run)


def _band(left: float, right: float, severity: str) -> str:
    left, right = max(0.0, left), min(WIDTH, right)
    tone = "critical" if severity == "critical" else "warning"
    if right < 0.0 or left > WIDTH:
        return ""
    place = f'x="{left:.1f}" y="0" width="{max(2.0, right - left):.1f}" height="{HEIGHT:.0f}"'
    return f'<rect class="band {tone}" {place}/>'


def _upright(at: float, tone: str) -> str:
    return f'<path class="{tone}" d="M{at:.1f} 0V{HEIGHT:.0f}"/>'


def _strip(points: Sequence[Point], x: Any) -> str:
    bars = [
        f"M{x(p['at']):.1f} {HEIGHT + STRIP:.0f}V{HEIGHT + STRIP - STRIP * min(1.0, p['depth'] / LOWEST_P):.1f}"
        for p in points
        if p["depth"] is not None
    ]
    return f'<path class="depth" d="{"".join(bars)}"/>' if bars else ""
