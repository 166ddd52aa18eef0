"""How the commands show things: tables for people, JSON for programs, progress only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.records import Evidence, Reading, Verdict

STATE_STYLES = {"quiet": "green", "drift": "bold red", "insufficient": "yellow", "invalid": "bold yellow"}


def console() -> Console:
    """Return the console of standard output; what is printed on it moves no cursor and changes no colour."""
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
    from rich.segment import Segment

    class Harmless(RenderHook):
        """Escapes what texts of a log, a path or a database would do to a terminal; our own styles stay."""

        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [_Escaped(each) for each in renderables]

    class _Escaped:
        def __init__(self, shown: ConsoleRenderable) -> None:
            self._shown = shown

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for text, style, control in console.render(self._shown, options):
                yield Segment(text if control else harmless(text), style, control)

    # Off a terminal (a pipe, a log) there is no width to keep to; 80 columns would cut names.
    made = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    made.push_render_hook(Harmless())
    return made


def harmless(text: str) -> str:
    """Return ``text`` with all that is neither printable nor a line's end written as its escape."""
    if text.isprintable():
        return text
    return "".join(
        c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def print_json(data: object) -> None:
    """Print ``data`` as indented JSON; times become ISO 8601, NaN is refused."""
    sys.stdout.write(json.dumps(data, indent=2, default=_plain, allow_nan=False) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot print {type(value).__name__} as JSON")


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a callback (what, done, of) that moves a bar on standard error, or does nothing off a terminal."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(tasks[what], completed=done, total=of)

        yield advance


def readings_table(
    title: str, readings: Sequence[Reading], evidence: Sequence[Evidence], threshold: float
) -> Any:
    """Return the table of one window: what each detector read, against what, and what time has added up to."""
    from rich import box
    from rich.table import Table

    states = {e.key: e for e in evidence}
    # Narrow enough for a terminal of 80 columns: a number that is cut off would be another number.
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column("reading", no_wrap=True)
    for name in ("value", "effect", "limit", "p-value", "evidence", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for reading in readings:
        state = states.get(reading.key)
        firing = state is not None and state.firing
        ok = reading.status == "ok"
        limit = reading.threshold if reading.threshold is not None else reading.effect_floor
        decides = reading.threshold is not None or reading.log_p is not None
        table.add_row(
            reading.key,
            f"{reading.value:.3g}" if ok else "-",
            f"{reading.shift:.3g}" if ok and decides else "-",
            f"{limit:.3g}" if decides else "-",
            format_p(reading.log_p) if ok else "-",
            format_evidence(state, reading, threshold) if ok else f"[yellow]{reading.status}[/]",
            str(reading.n),
            "[bold red]fires[/]" if firing else "",
        )
    return table


def format_p(log_p: float | None) -> str:
    """Return a p-value for people, from its logarithm."""
    if log_p is None:
        return "-"
    if log_p < -650:
        return f"1e{log_p / 2.302585:.0f}"
    import math

    return f"{math.exp(log_p):.2g}"


def format_evidence(state: Evidence | None, reading: Reading, threshold: float) -> str:
    """Return evidence against what it takes to fire, both as powers of ten."""
    if state is None or reading.log_p is None:
        return "-"
    power = max(state.log_e, 0.0) / 2.302585
    return f"{power:.1f} of {threshold / 2.302585:.1f}"


def verdict_line(verdict: Verdict) -> str:
    """Return a verdict as one coloured sentence."""
    style = STATE_STYLES[verdict.state]
    text = f"[{style}]{verdict.state}[/]"
    if verdict.causes:
        causes = ", ".join(f"{c.name} ({c.confidence:.0%})" for c in verdict.causes)
        text += f", severity {verdict.severity}, cause: [bold]{causes}[/]"
    return text


def reading_dict(reading: Reading) -> dict[str, Any]:
    """Return a reading as plain data."""
    return {
        "detector": reading.detector,
        "signal": reading.signal,
        "status": reading.status,
        "value": reading.value,
        "effect": reading.shift,
        "effect_floor": reading.effect_floor,
        "threshold": reading.threshold,
        "p_value": reading.p_value,
        "log_p": reading.log_p,
        "n": reading.n,
        "detail": dict(reading.detail),
    }


def verdict_dict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain data."""
    return {
        "state": verdict.state,
        "severity": verdict.severity,
        "cause": verdict.cause,
        "causes": [
            {"name": c.name, "confidence": c.confidence, "because": list(c.because)} for c in verdict.causes
        ],
        "fired": list(verdict.fired),
        "problems": list(verdict.problems),
    }
