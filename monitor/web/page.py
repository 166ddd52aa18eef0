"""The status page: one table of collections, readable without a script and by a screen reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

Row = Mapping[str, Any]

_HEADINGS = ("Collection", "State", "Severity", "Cause", "Last window", "Freshness")
_STATES = {
    # A sign and a word beside the colour: nothing is said by colour alone.
    "quiet": ("✓", "quiet"),
    "drift": ("▲", "drift"),
    "insufficient": ("…", "too little data"),
    "invalid": ("✕", "invalid data"),
    None: ("○", "not judged yet"),
}
_SEVERITIES = ("critical", "warning", "none")


def render_page(status: Mapping[str, Any]) -> str:
    """Return the page for what :func:`monitor.web.status.summarize` made; every value is escaped."""
    rows: list[Row] = list(status["collections"])
    headline, tone = _headline(rows)
    at = status["at"]
    read = f"Read {_time(at)}." if at else "The first snapshot has not been read yet."
    config = "" if status["config_ok"] in {True, None} else _NOTE_CONFIG
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(headline)} · driftmon</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
</head>
<body>
<header>
<p class="brand">driftmon <span class="version">{_text(status["version"])}</span></p>
<h1 class="{tone}">{_text(headline)}</h1>
<p>{read}</p>
</header>
<main>
{config}{_table(rows)}
{_incidents(rows)}
{_problems(rows)}
</main>
<footer>
<nav aria-label="Other views"><a href="api/v1/status">Status as JSON</a> <a href="metrics">Metrics</a></nav>
</footer>
</body>
</html>
"""


_NOTE_CONFIG = (
    '<p class="note" role="alert">driftmon.yaml could not be read again: the daemon runs on with the '
    "configuration it had. <code>driftmon check</code> says what is wrong.</p>\n"
)
_NOTE_EMPTY = "<p>Name one under <code>collections</code> in driftmon.yaml and build its baseline.</p>"


def _headline(rows: list[Row]) -> tuple[str, str]:
    if not rows:
        return "No collection is watched yet", "none"
    critical = sum(r["severity"] == "critical" for r in rows)
    drifting = sum(r["state"] == "drift" for r in rows)
    troubled = sum(r["state"] == "invalid" or bool(r["stale"]) for r in rows)
    quiet = sum(r["state"] == "quiet" for r in rows)
    segments = sum(bool(r["segment_of"]) for r in rows)
    of = f"of {_count(len(rows) - segments, 'collection')}"
    if segments:
        of += f" and {_count(segments, 'segment')}"
    if critical:
        return f"{critical} {of} critical", "critical"
    if drifting:
        return f"{drifting} {of} in drift", "warning"
    if troubled:
        return f"{troubled} {of} cannot be judged", "warning"
    if quiet < len(rows):
        return f"{quiet} {of} quiet", "none"
    return "All quiet", "quiet"


def _table(rows: list[Row]) -> str:
    if not rows:
        return _NOTE_EMPTY
    head = "".join(f'<th scope="col" role="columnheader">{h}</th>' for h in _HEADINGS)
    body = "\n".join(_row(r, inside=inside) for r, inside in _in_families(rows))
    # The roles repeat what the elements mean: on a phone the style sheet stacks the cells, and without the
    # roles a browser would then no longer tell a screen reader that this is a table.
    return f"""<table role="table">
<caption>Collections, the most urgent first</caption>
<thead role="rowgroup"><tr role="row">{head}</tr></thead>
<tbody role="rowgroup">
{body}
</tbody>
</table>"""


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


def _row(row: Row, *, inside: bool) -> str:
    ended = _time(row["window_end"]) if row["window_end"] else "no window yet"
    cells = (
        _badge(row["state"]),
        f'<span class="{_text(row["severity"])}">{_text(row["severity"])}</span>',
        _text(_words(row["cause"])),
        ended,
        _freshness(row),
    )
    tds = "".join(
        f'<td role="cell" data-label="{heading}">{cell}</td>'
        for heading, cell in zip(_HEADINGS[1:], cells, strict=True)
    )
    if not inside:
        return f'<tr role="row"><th scope="row" role="rowheader">{_text(row["collection"])}</th>{tds}</tr>'
    # The collection's name is there for whoever does not see that the row stands under it.
    parent, segment = _text(row["segment_of"]), _text(row["collection"].partition("/")[2])
    named = f'<span class="aside">{parent}/</span>{segment}'
    return f'<tr role="row" class="segment"><th scope="row" role="rowheader">{named}</th>{tds}</tr>'


def _badge(state: str | None) -> str:
    sign, word = _STATES.get(state, ("?", str(state)))
    tone = _text(state or "none")
    return f'<span class="badge {tone}"><span aria-hidden="true">{sign}</span> {_text(word)}</span>'


def _freshness(row: Row) -> str:
    if row["lag_seconds"] is None:
        return "–"
    lag = f"{_span(row['lag_seconds'])} behind"
    return f'<span class="warning">stale, {lag}</span>' if row["stale"] else lag


def _incidents(rows: list[Row]) -> str:
    items = [
        f'<li><strong>{_text(r["collection"])}</strong>: <span class="{_text(i["severity"])}">'
        f"{_text(i['severity'])}</span>, {_text(_words(i['cause']))}, since {_time(i['opened_at'])}"
        f"{_fired(i['fired'])}</li>"
        for r in rows
        for i in r["incidents"]
        if i["resolved_at"] is None
    ]
    return _section("Open incidents", items, "None.") if rows else ""


def _fired(keys: Iterable[str]) -> str:
    names = ", ".join(f"<code>{_text(key)}</code>" for key in keys)
    return f"; fired: {names}" if names else ""


def _problems(rows: list[Row]) -> str:
    items = [
        f"<li><strong>{_text(r['collection'])}</strong>: {_text(p)}</li>" for r in rows for p in r["problems"]
    ]
    return _section("Problems", items, "") if items else ""


def _section(title: str, items: list[str], nothing: str) -> str:
    body = f"<ul>\n{chr(10).join(items)}\n</ul>" if items else f"<p>{nothing}</p>"
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _time(value: str) -> str:
    shown = datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f'<time datetime="{_text(value)}">{shown}</time>'


def _span(seconds: float) -> str:
    """Say a duration in its one fitting unit."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return _count(int(seconds // size), unit)
    return _count(int(seconds), "second")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _text(value: object) -> str:
    return escape(str(value), quote=True)
