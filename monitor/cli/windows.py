"""driftmon evaluate, status, run: looking at windows now, at what the store knows, and for good."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.baselines import windows_between
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_deployment,
    load_families,
    open_store,
    parse_moment,
    pick_collection,
)
from monitor.cli.show import (
    STATE_STYLES,
    console,
    print_json,
    progress,
    reading_dict,
    readings_table,
    verdict_dict,
    verdict_line,
)
from monitor.errors import BaselineError
from monitor.segments import parent_of

if TYPE_CHECKING:
    from monitor.records import CollectionStatus, Outcome
    from monitor.wiring import Deployment


def evaluate(
    collection: Annotated[
        str | None, typer.Argument(help="The collection; may be left out if there is one.")
    ] = None,
    windows: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many of the latest whole windows to look at.")
    ] = 1,
    until: Annotated[
        str | None, typer.Option(help="Look at windows that end by then: ISO 8601, or an age (-2h).")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 when the last window is in drift.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Walk the latest whole windows here and now; nothing is stored and no one is told."""
    from monitor.baseline.codec import unpack
    from monitor.pipeline import History, hand_on, walk

    deployment = load_families(config)
    name = pick_collection(deployment, collection)
    settings = deployment.config.collections[name]
    end = parse_moment(until, datetime.now(UTC) - settings.lateness)
    chosen = windows_between(name, settings.window, end - (windows + 1) * settings.window, end)[-windows:]
    with open_store(deployment) as store:
        info = store.active_baseline(name)
        if info is None:
            raise BaselineError(f"collection {name!r} has no baseline: run `driftmon baseline build {name}`")
        baseline = unpack(store.baseline_data(info.id))
    history = History()
    outcomes = []
    with progress() as advance:
        for done, window in enumerate(chosen):
            advance("walking windows", done, len(chosen))
            outcome = walk(
                window,
                deployment.collections[name],
                baseline,
                info.id,
                history,
                threshold=deployment.thresholds[name],
            )
            history = hand_on(outcome, history)
            outcomes.append(outcome)
            advance("walking windows", done + 1, len(chosen))
    try:
        if as_json:
            print_json(
                {"collection": name, "baseline": info.id, "windows": [_outcome_dict(o) for o in outcomes]}
            )
        else:
            _show_outcomes(name, outcomes, deployment.thresholds[name])
    finally:  # `driftmon evaluate --exit-code | head`: a reader that goes away must not hide the drift
        if exit_code and outcomes[-1].verdict.state == "drift":
            raise typer.Exit(1)


def _show_outcomes(name: str, outcomes: list[Outcome], threshold: float) -> None:
    out = console()
    for outcome in outcomes[:-1]:
        out.print(f"{outcome.window.start:%F %R}  {verdict_line(outcome.verdict)}")
    last = outcomes[-1]
    title = f"{name}, {last.window.start:%F %R} to {last.window.end:%R} UTC: {last.sample.seen} records"
    out.print(readings_table(title, last.readings, last.evidence or (), threshold))
    if last.sample.rejected:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(last.sample.rejected.items()))
        out.print(f"[yellow]rejected[/]: {reasons}")
        for example in last.sample.examples[:5]:
            out.print(f"  {example.where}: {example.reason} {example.detail}", markup=False)
    out.print(verdict_line(last.verdict))
    for problem in last.verdict.problems:
        out.print(f"  {problem}", markup=False)


def _outcome_dict(outcome: Outcome) -> dict[str, Any]:
    return {
        "start": outcome.window.start,
        "end": outcome.window.end,
        "records": outcome.sample.seen,
        "duplicates": outcome.sample.duplicates,
        "rejected": dict(outcome.sample.rejected),
        "verdict": verdict_dict(outcome.verdict),
        "readings": [reading_dict(r) for r in outcome.readings],
    }


def status(
    collection: Annotated[
        str | None, typer.Argument(help="One collection in full; all in brief if left out.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what the store knows: the last window, its verdict, open incidents."""
    from monitor.daemon import take_snapshot

    deployment = load_families(config)
    if collection is not None:
        pick_collection(deployment, collection)
    with open_store(deployment) as store:
        snapshot = take_snapshot(store, deployment, datetime.now(UTC))
    chosen = [s for s in snapshot.collections if collection in (None, s.collection, parent_of(s.collection))]
    if as_json:
        print_json({"at": snapshot.at, "collections": [_status_dict(s) for s in chosen]})
        return
    out = console()
    if collection is not None:
        for s in chosen[:1]:  # the segments that follow it stand in the table below
            out.print(
                readings_table(
                    f"{s.collection}, window to {_time(s.window_end)}",
                    s.readings,
                    s.evidence,
                    s.log_threshold,
                )
            )
    out.print(_status_table(chosen, snapshot.at))


def _status_table(statuses: list[CollectionStatus], now: datetime) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    foldable = ("collection", "baseline", "windows")
    for column in ("collection", "state", "severity", "cause", "window to (UTC)", "age", *foldable[1:]):
        table.add_column(column, overflow="fold", no_wrap=column not in foldable, min_width=len(column))
    names = {s.collection for s in statuses}
    for s in statuses:
        state = s.verdict.state if s.verdict else "waiting"
        style = STATE_STYLES.get(state, "dim")
        counts = ", ".join(f"{n} {state}" for state, n in sorted(s.windows.items()) if n)
        parent, slash, segment = s.collection.partition("/")
        shown = f"  {segment}" if slash and parent in names else s.collection
        table.add_row(
            shown,
            f"[{style}]{state}[/]",
            s.verdict.severity if s.verdict else "-",
            s.verdict.cause if s.verdict else "-",
            _time(s.window_end),
            _age(now - s.window_end) if s.window_end else "-",
            "none: driftmon baseline build" if s.baseline_id is None else str(s.baseline_id),
            counts or "-",
        )
    return table


def _age(span: timedelta) -> str:
    """Say how long ago in the one unit that fits."""
    seconds = max(0.0, span.total_seconds())
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _time(moment: datetime | None) -> str:
    return f"{moment:%F %R}" if moment else "-"


def _status_dict(s: CollectionStatus) -> dict[str, Any]:
    return {
        "collection": s.collection,
        "segment_of": parent_of(s.collection),
        "window_end": s.window_end,
        "verdict": verdict_dict(s.verdict) if s.verdict else None,
        "baseline": s.baseline_id,
        "windows": dict(s.windows),
        "incidents": [
            {
                "id": i.id,
                "opened_at": i.opened_at,
                "severity": i.severity,
                "cause": i.cause,
                "fired": list(i.fired),
            }
            for i in s.incidents
        ],
        "readings": [reading_dict(r) for r in s.readings],
    }


def run(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Run the daemon: watch every collection on schedule until SIGTERM or Ctrl-C."""
    from monitor.cli.logs import configure_logs
    from monitor.daemon import Daemon

    deployment = load_deployment(config)
    redaction = configure_logs(deployment.config.log.format, deployment.config.log.level, deployment.secrets)

    def load() -> Deployment:
        fresh = load_deployment(config)
        redaction.learn(fresh.secrets)  # before anything is done that could tell of them
        return fresh

    with open_store(deployment) as store:
        drained = Daemon(deployment, store, load=load).run()
    if not drained:
        # A thread that hangs in a library cannot be ended, and the interpreter would wait for it for ever.
        os._exit(0)
