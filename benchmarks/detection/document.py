"""Writes the figures of the last whole runs into docs/statistics.md."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.detection.environment import PACKAGES
from benchmarks.detection.peers import MOST
from benchmarks.detection.scenarios import QUIET
from benchmarks.figures import Figure
from benchmarks.page import asked, number, plain_table, write_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"
BEGIN = "<!-- figures: make bench-detection-page writes them -->"
_CELL = re.compile(r"confusion: (?P<cause>\w+) told as (?P<answer>\w+)")
_STREAM = re.compile(r"(?P<cell>.+?): (?P<stream>\w+\.\w+), (?P<what>p < [\d.]+|KS test|KS distance)( .*)?")
_FOUND = re.compile(
    r"(?P<scenario>[^:]+): (?P<who>.+), found "
    r"\((?P<runs>\d+) runs, 95% interval (?P<low>[\d.]+%) to (?P<high>[\d.]+%)\)"
)


def document(parts: tuple[str, ...]) -> None:
    """Replace the tables between the page's marks by the figures that lie in build/figures."""
    tables = {"quiet": by_stream, "peers": by_detector, "worth": by_drift, "cause": with_confusion}
    write_tables(PAGE, BEGIN, "detection", parts, tables)


def with_confusion(figures: Sequence[Figure]) -> list[str]:
    """Return the figures of the causes, and how often each was told as each as one table."""
    plain = [f for f in figures if not _CELL.fullmatch(f.name)]
    return [*plain_table(plain), "", *confusion_table(figures)]


def confusion_table(figures: Sequence[Figure]) -> list[str]:
    """Return the table of causes: what happened in the lines, what was told in the columns, how many runs in each."""
    cells = {
        (match["cause"], match["answer"]): f.value
        for f in figures
        if (match := _CELL.fullmatch(f.name)) is not None
    }
    happened = list(dict.fromkeys(cause for cause, _ in cells))
    told = [*dict.fromkeys(c for c in happened if c in {a for _, a in cells}), "unknown", "silent"]
    return [
        f"| what happened | {' | '.join(told)} |",
        f"|---|{'---|' * len(told)}",
        *(
            f"| {cause} | {' | '.join(number(cells[cause, a]) if (cause, a) in cells else '' for a in told)} |"
            for cause in happened
        ),
    ]


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


def by_detector(figures: Sequence[Figure]) -> list[str]:
    """Return what detectors found as one line per detector and one column per scenario, and the other figures.

    A peer is ahead that finds more than our set from the same reference and raises no more false alarms than ours
    may; it wins where our share is below its whole interval.
    """
    found: dict[str, dict[str, Figure]] = defaultdict(dict)
    others = []
    for figure in figures:
        match = _FOUND.fullmatch(figure.name)
        if match is None:
            others.append(figure)
        else:
            found[match["who"]][match["scenario"]] = figure
    scenarios = list(dict.fromkeys(scenario for row in found.values() for scenario in row))
    ours = found.get("ours (same reference)", {})
    return [
        f"| 95% interval, runs | {' | '.join(scenarios)} |",
        f"|---|{'---|' * len(scenarios)}",
        *(
            f"| {who} | {' | '.join(_share(who, row, name, ours) for name in scenarios)} |"
            for who, row in found.items()
        ),
        "",
        *plain_table(others),
    ]


def _share(who: str, row: dict[str, Figure], scenario: str, ours: dict[str, Figure]) -> str:
    figure = row.get(scenario)
    match = _FOUND.fullmatch(figure.name) if figure is not None else None
    if figure is None or match is None:
        return ""
    peer = who.partition(" ")[0] in PACKAGES
    honest = QUIET in row and row[QUIET].value <= MOST
    ahead = scenario != QUIET and scenario in ours and figure.value > ours[scenario].value
    sure = ahead and float(match["low"].rstrip("%")) / 100.0 > ours[scenario].value
    wins = (" **wins**" if sure else " ahead") if peer and honest and ahead else ""
    return f"{figure.value:.0%} ({match['low']} to {match['high']}, {match['runs']}){wins}"


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
