"""How an audit is shown: tables for people, plain data for programs."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from monitor.cli.show import console

if TYPE_CHECKING:
    from monitor.audit import Audit, Found, Rate, Replayed
    from monitor.records import BaselineInfo

_KEPT = {
    "yes": "[green]the budget is kept[/]",
    "no": "[bold red]the budget is NOT kept[/]",
    "unproven": "[yellow]whether the budget is kept is not shown[/]",
}

MOST_NAMES = 2
"""Streams that are named of those that opened incidents, the most frequent first."""


def show_audit(name: str, info: BaselineInfo, found: Audit, length: timedelta, period: timedelta) -> None:
    """Print an audit: whether the budget is kept, why not, and what would be found."""
    from rich.markup import escape
    from rich.padding import Padding

    out = console()
    per = period / length

    def say(text: str) -> None:
        out.print(Padding(text, (0, 0, 0, 2), expand=False))

    out.print(
        f"[bold]{escape(name)}[/], baseline {info.id} ({info.start:%F %R} to {info.end:%F %R} UTC), windows of {length}"
    )
    out.print(
        f"{_KEPT[found.kept]}: it leaves this collection {_incidents(found.allowed * per)} in {_days(period)}"
    )
    for problem in found.problems:
        say(f"[yellow]![/] {escape(problem)}")
    out.print()
    out.print(_replays_table(found, per, period))
    say(
        "Index, suite and canaries stand still in the replay: a log does not tell what they were. One window alone "
        f"opens an incident at p < {math.exp(found.log_p_at_once):.1g}."
    )
    if found.levels:
        out.print()
        out.print(_levels_table(found))
    out.print()
    out.print(_found_table(found))
    say(
        f"A size counts when at least 95% of {found.runs} runs find it (>: the largest tried is not found); of those "
        f"with nothing laid in, {found.unprovoked} found something."
    )
    for kind, why in found.untried.items():
        say(f"{kind.replace('_', ' ')}: not tried, {why}.")


def _days(period: timedelta) -> str:
    days = period / timedelta(days=1)
    return f"{days:g} days"


def _incidents(count: float) -> str:
    number = _number(count)
    return f"{number} false incident{'' if number == '1' else 's'}"


def _number(value: float) -> str:
    """Return two digits of a small number, all digits before the point of a large one."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _table(title: str, first: str, *others: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    table.add_column(first, overflow="fold")
    for column in others:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _replays_table(found: Audit, per: float, period: timedelta) -> Any:
    from rich.markup import escape

    columns = ("windows", "states", "incidents", f"in {_days(period)} (95%)", "by")
    table = _table("Quiet windows, judged", "", *columns)
    for what, replay in _replays(found):
        share = replay.incidents
        often = sorted(replay.fired, key=lambda key: -replay.fired[key])[:MOST_NAMES]
        table.add_row(
            what,
            f"{share.of}",
            "\n".join(f"{count} {state}" for state, count in sorted(replay.states.items())),
            f"{share.count}",
            f"{_number(share.share * per)} ({_number(share.low * per)} to {_number(share.high * per)})",
            escape("\n".join(often)) or "-",
        )
    return table


def _replays(found: Audit) -> list[tuple[str, Replayed]]:
    rows = [("history", found.history)]
    if found.resampled is not None:
        rows.append((f"resampled ({found.resampled.watches} baselines)", found.resampled))
    return rows


def _levels_table(found: Audit) -> Any:
    from rich.markup import escape

    names = dict.fromkeys(level.level for level in found.levels)
    columns = [f"p < {level}\n{where}" for level in names for where in ("history", "resampled")]
    table = _table("How often p is small in quiet windows", "stream", *columns)
    for stream in dict.fromkeys(level.stream for level in found.levels):
        cells = []
        for level in (x for x in found.levels if x.stream == stream):
            style = "[bold red]{}[/]" if level.broken else "{}"
            cells += [style.format(_interval(level.history)), f"{_number(100 * level.resampled.share)}%"]
        table.add_row(escape(stream), *cells)
    return table


def _interval(share: Rate) -> str:
    share_of_100, low, high = (_number(100.0 * x) for x in (share.share, share.low, share.high))
    return f"{share_of_100}% ({low} to {high})"


def _found_table(found: Audit) -> Any:
    from rich.markup import escape

    from monitor.audit import HORIZONS

    columns = ["1 window" if h == 1 else f"{h} windows" for h in HORIZONS]
    table = _table("The smallest shift that would be found within", "", *columns, "by")
    for each in found.found:
        sizes = [_size(each, each.smallest[h]) for h in HORIZONS]
        table.add_row(f"… {each.shift.what}", *sizes, escape("\n".join(each.fired[:MOST_NAMES])) or "-")
    return table


def _size(found: Found, size: float | None) -> str:
    if size is None:
        return f"> {found.shift.unit.format(size=found.shift.sizes[-1])}"
    return found.shift.unit.format(size=size)


def as_dict(found: Audit, per: float) -> dict[str, Any]:
    """Return an audit as plain data; ``per`` is the number of windows in the budget's period."""
    resampled = found.resampled
    return {
        "kept": found.kept,
        "allowed_per_window": found.allowed,
        "allowed_per_period": found.allowed * per,
        "p_at_once": math.exp(found.log_p_at_once),
        "problems": list(found.problems),
        "history": _replay_dict(found.history, per),
        "resampled": None if resampled is None else _replay_dict(resampled, per),
        "levels": [
            {
                "stream": level.stream,
                "level": level.level,
                "history": _rate_dict(level.history),
                "resampled": _rate_dict(level.resampled),
                "broken": level.broken,
            }
            for level in found.levels
        ],
        "runs": found.runs,
        "unprovoked": found.unprovoked,
        "shifts": [
            {
                "kind": each.shift.name,
                "what": each.shift.what,
                "largest_tried": each.shift.sizes[-1],
                "within": [
                    {"windows": horizon, "size": size, "words": _words(each, horizon, size)}
                    for horizon, size in each.smallest.items()
                ],
                "fired": list(each.fired),
            }
            for each in found.found
        ],
        "untried": dict(found.untried),
    }


def _words(found: Found, horizon: int, size: float | None) -> str:
    within = f"found within {horizon} window{'' if horizon == 1 else 's'}"
    if size is None:
        return f"{found.shift.tell(found.shift.sizes[-1])}: not {within}"
    return f"{found.shift.tell(size)}: {within}"


def _replay_dict(replay: Replayed, per: float) -> dict[str, Any]:
    incidents = replay.incidents
    return {
        "windows": incidents.of,
        "states": dict(replay.states),
        "incidents": _rate_dict(incidents),
        "incidents_per_period": {
            "value": incidents.share * per,
            "low": incidents.low * per,
            "high": incidents.high * per,
        },
        "fired": dict(replay.fired),
        "baselines": replay.watches,
        "baselines_with_incident": replay.watches_with_incident,
    }


def _rate_dict(share: Rate) -> dict[str, Any]:
    return {"count": share.count, "of": share.of, "share": share.share, "low": share.low, "high": share.high}
