"""The overview: one table of collections, readable without a script and by a screen reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor import __version__
from monitor.web.rendering import count, render
from monitor.web.sessions import Session

Row = Mapping[str, Any]

_HEADINGS = ("Collection", "State", "Severity", "Cause", "Last window", "Freshness")
_SEVERITIES = ("critical", "warning", "none")


@dataclass(frozen=True, slots=True)
class Visit:
    """What every page knows of the one who looks at it, and of the place that it stands in."""

    root: str = ""
    """The way up to the overview: pages work behind any prefix."""
    session: Session | None = None
    locked: bool = False
    """Whether there is a token to sign in with."""
    links: bool = False
    """Whether there are pages of collections and incidents."""
    said: str = ""
    """What an action has done."""
    trouble: str = ""
    """Why what is shown is not what the store has now."""
    at: str | None = None
    file: bool = False
    """Whether the page is a file of its own: style and script stand in it, and there is nobody to act."""
    version: str = __version__


def render_page(status: Mapping[str, Any], visit: Visit | None = None) -> str:
    """Return the overview for what :func:`monitor.web.status.summarize` made; every value is escaped."""
    rows: list[Row] = list(status["collections"])
    headline, tone = _headline(rows)
    return render(
        "overview.html",
        visit=visit or Visit(),
        status=status,
        headings=_HEADINGS,
        headline=headline,
        tone=tone,
        rows=_in_families(rows),
        incidents=[(r["collection"], i) for r in rows for i in r["incidents"] if i["resolved_at"] is None],
        problems=[(r["collection"], p) for r in rows for p in r["problems"]],
    )


def _headline(rows: list[Row]) -> tuple[str, str]:
    if not rows:
        return "No collection is watched yet", "none"
    critical = sum(r["severity"] == "critical" for r in rows)
    drifting = sum(r["state"] == "drift" for r in rows)
    troubled = sum(r["state"] == "invalid" or bool(r["stale"]) for r in rows)
    quiet = sum(r["state"] == "quiet" for r in rows)
    segments = sum(bool(r["segment_of"]) for r in rows)
    of = f"of {count(len(rows) - segments, 'collection')}"
    if segments:
        of += f" and {count(segments, 'segment')}"
    if critical:
        return f"{critical} {of} critical", "critical"
    if drifting:
        return f"{drifting} {of} in drift", "warning"
    if troubled:
        return f"{troubled} {of} cannot be judged", "warning"
    if quiet < len(rows):
        return f"{quiet} {of} quiet", "none"
    return "All quiet", "quiet"


def _in_families(rows: list[Row]) -> list[tuple[Row, bool]]:
    """Return the rows, the most urgent family first: the collection, then its segments; and which are inside one."""
    names = {r["collection"] for r in rows}
    families: dict[str, list[Row]] = {}
    for row in rows:
        parent = row["segment_of"]
        families.setdefault(parent if parent in names else row["collection"], []).append(row)
    ordered: list[tuple[Row, bool]] = []
    for name, family in sorted(families.items(), key=lambda each: min(map(_urgency, each[1]))):
        members = sorted(family, key=lambda r: (r["collection"] != name, _urgency(r)))
        ordered.extend((row, row["collection"] != name) for row in members)
    return ordered


def _urgency(row: Row) -> tuple[int, int, str]:
    troubled = row["state"] in {"drift", "invalid"} or bool(row["stale"])
    return _SEVERITIES.index(row["severity"]), 0 if troubled else 1, row["collection"]
