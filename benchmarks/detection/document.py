"""Writes the figures of the last whole runs into docs/statistics.md."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.page import asked, number, plain_table, write_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"
BEGIN = "<!-- figures: make bench-detection-page writes them -->"
_STREAM = re.compile(r"(?P<cell>.+?): (?P<stream>\w+\.\w+), (?P<what>p < [\d.]+|KS test|KS distance)( .*)?")


def document(parts: tuple[str, ...]) -> None:
    """Replace the tables between the page's marks by the figures that lie in build/figures."""
    write_tables(PAGE, BEGIN, "detection", parts, {"quiet": by_stream, "worth": by_drift})


def by_stream(figures: Sequence[Figure]) -> list[str]:
    """Return the figures of streams with one line per stream and window size, and the others before them."""
    streams: dict[tuple[str, str], dict[str, Figure]] = defaultdict(dict)
    others, columns = [], dict[str, str]()
    for figure in figures:
        match = _STREAM.fullmatch(figure.name)
        if match is None:
            others.append(figure)
            continue
        streams[match["cell"], match["stream"]][match["what"]] = figure
        columns[match["what"]] = "" if figure.bar is None else f" ({asked(figure)})"
    return [
        *plain_table(others),
        "",
        f"| traffic | stream | {' | '.join(f'{what}{bar}' for what, bar in columns.items())} |",
        f"|---|---|{'---|' * len(columns)}",
        *(
            f"| {cell} | {stream} | {' | '.join(_cell(values.get(what)) for what in columns)} |"
            for (cell, stream), values in streams.items()
        ),
    ]


def by_drift(figures: Sequence[Figure]) -> list[str]:
    """Return shares of windows with one line per drift and one column per stream, in per cent."""
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for figure in figures:
        drift, _, stream = figure.name.rpartition(": ")
        rows[drift][stream] = figure.value
    streams = list(dict.fromkeys(stream for shares in rows.values() for stream in shares))
    return [
        f"| % of windows with p at most 0.01 | {' | '.join(stream.replace('.', '<br>') for stream in streams)} |",
        f"|---|{'---|' * len(streams)}",
        *(
            f"| {drift} | {' | '.join(f'{100 * shares[s]:.0f}' if s in shares else '' for s in streams)} |"
            for drift, shares in rows.items()
        ),
    ]


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    return f"{number(figure.value)}{' NOT REACHED' if figure.reached is False else ''}"
