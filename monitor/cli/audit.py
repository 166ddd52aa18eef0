"""driftmon audit: what a collection's own quiet history says of the budget, and of what would be found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.audit_report import as_dict, show_audit
from monitor.cli.baselines import MOST_WINDOWS, windows_between
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_deployment,
    open_store,
    parse_moment,
    pick_collection,
)
from monitor.cli.show import print_json, progress
from monitor.errors import BaselineError

if TYPE_CHECKING:
    from monitor.records import BaselineInfo, Window
    from monitor.store import Store
    from monitor.wiring import Deployment

_MOST_LATER = 20_000
"""Quiet windows after the baseline that are looked at: two thirds of a year of quarter-hours."""


def audit(
    collection: Annotated[
        str | None, typer.Argument(help="The collection; may be left out if there is one.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="First moment of quiet history: ISO 8601, or an age (-7d). Without --start and --end: the span of the "
            "baseline, and the windows after it that were judged quiet."
        ),
    ] = None,
    end: Annotated[str | None, typer.Option(help="End of quiet history (default: now).")] = None,
    runs: Annotated[
        int, typer.Option(min=20, max=1000, help="How often each size of a shift is laid in.")
    ] = 40,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same windows and shifts.")] = 1,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 when the budget is not kept.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Replay quiet history: are false alarms within the budget, and how small a shift would be found?"""
    from monitor.audit import Terms, examine, read_history
    from monitor.baseline.codec import unpack

    deployment = load_deployment(config)
    name = pick_collection(deployment, collection)
    wired, settings = deployment.collections[name], deployment.config.collections[name]
    with open_store(deployment) as store:
        info = store.active_baseline(name)
        if info is None:
            raise BaselineError(f"collection {name!r} has no baseline: run `driftmon baseline build {name}`")
        baseline = unpack(store.baseline_data(info.id))
        windows = _quiet_windows(store, info, settings.window, start, end)
    inside = [w for w in windows if info.start <= w.start < info.end]
    outside = [w for w in windows if not info.start <= w.start < info.end]
    with progress() as advance:
        history = [
            window
            for part in (inside, outside)
            if part
            for window in read_history(wired, baseline, part, seed=seed, progress=advance)
        ]
        found = examine(
            baseline,
            (info.start, info.end),
            sorted(history, key=lambda w: w.window),
            Terms(wired.detectors, deployment.thresholds[name], _allowed(deployment, name), wired.spans),
            runs=runs,
            seed=seed,
            progress=advance,
        )
    per = deployment.config.budget.per / settings.window
    if as_json:
        print_json({"collection": name, "baseline": info.id, "seed": seed, **as_dict(found, per)})
    else:
        show_audit(name, info, found, settings.window, deployment.config.budget.per)
    if exit_code and found.kept == "no":
        raise typer.Exit(1)


def _quiet_windows(
    store: Store, info: BaselineInfo, length: timedelta, start: str | None, end: str | None
) -> list[Window]:
    """Return the windows that are asked for, or those of the baseline and those judged quiet since."""
    now = datetime.now(UTC)
    if start is None and end is None:
        later = store.history(info.collection, info.end, now, _MOST_LATER)
        quiet = {(w.start, w.end) for w in later if w.verdict.state == "quiet" and w.baseline_id == info.id}
        windows = windows_between(info.collection, length, info.start, now)
        return [w for w in windows if w.end <= info.end or (w.start, w.end) in quiet]
    until = parse_moment(end, now)
    since = parse_moment(start, info.start)
    if (until - since) / length > MOST_WINDOWS:
        raise BaselineError(
            f"more than {MOST_WINDOWS} windows lie between {since:%F %T} and {until:%F %T} UTC; give a later --start"
        )
    windows = windows_between(info.collection, length, since, until)
    if not windows:
        raise BaselineError(
            f"no whole window of {length} lies between {since:%F %T} and {until:%F %T} UTC; give an earlier --start or "
            "a later --end"
        )
    return windows


def _allowed(deployment: Deployment, name: str) -> float:
    """Return the false incidents per window that the budget leaves a collection: it is shared by streams."""
    from monitor.wiring import count_streams

    streams = {
        each: count_streams(wired.detectors, wired.spans) for each, wired in deployment.collections.items()
    }
    budget = deployment.config.budget
    share = streams[name] / max(1, sum(streams.values()))
    return share * budget.false_pages * (deployment.config.collections[name].window / budget.per)
