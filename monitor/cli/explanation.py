"""driftmon explain: one window's verdict in sentences, with the regions that moved."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.baselines import windows_between
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_families,
    open_store,
    parse_moment,
    pick_collection,
)
from monitor.cli.show import STATE_STYLES, console, print_json
from monitor.errors import BaselineError, ConfigError
from monitor.segments import parent_of, with_parent

if TYPE_CHECKING:
    from monitor.explain import MovedCell, Told
    from monitor.records import BaselineInfo
    from monitor.regions import Regions
    from monitor.store import Store
    from monitor.store.status import PastWindow

_LOOKED_BACK = timedelta(days=7)


def explain(
    collection: Annotated[
        str | None, typer.Argument(help="The collection; may be left out if there is one.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="A time in the window: ISO 8601, or an age (-2h). If left out: the newest window in drift of the last "
            "7 days, or the newest."
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, max=50, help="Show so many questions of users for each region.")
    ] = 0,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell in sentences why a window is in drift: causes, what decided, what stood still, which regions moved."""
    from monitor.baseline.codec import unpack
    from monitor.explain import tell
    from monitor.records import Window
    from monitor.reference import spread_evenly
    from monitor.regions import QUIET_WINDOWS, look_closer

    deployment = load_families(config)
    name = pick_collection(deployment, collection)
    length = deployment.config.collections[name].window
    with open_store(deployment) as store:
        past = _pick(store, name, at)
        said = _events(store, name, past)
        # What judged the window, whatever is in use by now.
        info = next((b for b in store.baselines(name) if b.id == past.baseline_id), None)
        if info is None:
            raise BaselineError(
                f"collection {name!r}: the baseline of the window at {past.start:%F %R} UTC is no longer stored"
            )
        baseline = unpack(store.baseline_data(info.id))
    window = Window(name, past.start, past.end)
    quiet = spread_evenly(windows_between(name, length, info.start, info.end), QUIET_WINDOWS)
    regions = look_closer(deployment.collections[name], baseline, window, quiet, examples)
    told = tell(past.verdict, past.readings, said)
    if as_json:
        print_json(_as_dict(window, info, told, regions))
    else:
        _show(window, info, past.verdict.state, told, regions)


def _pick(store: Store, name: str, at: str | None) -> PastWindow:
    """Return the window that is asked for; raises `ConfigError` when there is none."""
    now = datetime.now(UTC)
    if at is not None:
        moment = parse_moment(at, now)
        found = store.history(name, moment, moment + timedelta(microseconds=1), 1)
        if not found:
            raise ConfigError(
                f"collection {name!r} has no done window at {moment:%F %R} UTC: give another time, or see "
                f"`driftmon status {name}` for the newest"
            )
        return found[-1]
    newest = store.history(name, datetime(1970, 1, 1, tzinfo=UTC), now + timedelta(days=1), 1)
    if not newest:
        raise ConfigError(f"collection {name!r} has no done window yet: `driftmon run` makes them")
    recent = store.history(name, newest[-1].end - _LOOKED_BACK, newest[-1].end)
    # A window whose data cannot be believed may have a cause as well.
    return next((w for w in reversed(recent) if w.verdict.state == "drift" or w.verdict.causes), newest[-1])


def _events(store: Store, name: str, past: PastWindow) -> tuple[str, ...]:
    """Return what was done before the run of windows in drift that this one belongs to."""
    from monitor.explain.events import LOOKED_BACK, tell_events

    if past.verdict.state != "drift":
        return ()
    first = past.start
    for window in reversed(store.history(name, past.end - _LOOKED_BACK, past.start)):
        if window.verdict.state != "drift":
            break
        first = window.start
    told = store.events(with_parent(name), first - LOOKED_BACK, past.end)
    return tell_events(told, first, past.end)


def _show(window: Any, info: BaselineInfo, state: str, told: Told, regions: Regions) -> None:
    from rich.markup import escape

    out = console()

    def say(text: str, indent: int = 0) -> None:
        # Folded here: a box would fill its shorter lines up with blanks.
        lines = textwrap.wrap(
            text, out.width, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2)
        )
        out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)

    out.print(
        f"[bold]{escape(window.collection)}[/], {window.start:%F %R} to {window.end:%F %R} UTC, against baseline "
        f"{info.id} ({info.start:%F} to {info.end:%F})"
    )
    out.print(f"[{STATE_STYLES[state]}]{escape(told.headline)}[/]")
    for problem in told.problems:
        say(problem, 2)
    for cause in told.causes:
        out.print(f"\n[bold]{escape(cause.name)}[/] ({cause.confidence:.0%})  {escape(cause.meaning)}")
        for because in cause.because:
            say(f"- {because}", 2)
        say(f"next: {cause.next_step}", 2)
    if told.events:
        out.print()
        for said in told.events:
            say(f"{said[0].upper()}{said[1:]}")
    if told.stood:
        out.print()
        say(f"What stood still: {', '.join(told.stood)}.")
    _show_cells(say, "Questions", regions.questions)
    _show_cells(say, "New documents", regions.documents)
    for note in regions.notes:
        say(f"({note})")
    parent = parent_of(window.collection)
    if parent is not None:
        say(
            "(a segment watches questions, scores and feedback of its slice; whether endpoint, documents and index "
            f"stand is told by `driftmon explain {parent}`)"
        )


def _show_cells(say: Any, what: str, cells: tuple[MovedCell, ...]) -> None:
    if not cells:
        return
    say("")
    say(f"{what}: regions that moved")
    for cell in cells:
        words = ", ".join(cell.words) if cell.words else "no word sets it apart"
        about = f": {words}" if what == "Questions" else ""
        say(f"region {cell.cell}  {cell.baseline_share:.1%} -> {cell.share:.1%}{about}", 2)
        for example in cell.examples:
            say(f"- {example[:200]}", 4)


def _as_dict(window: Any, info: BaselineInfo, told: Told, regions: Regions) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "collection": window.collection,
        "segment_of": parent_of(window.collection),
        "start": window.start,
        "end": window.end,
        "baseline": info.id,
        **asdict(told),
        "regions": asdict(regions),
    }
