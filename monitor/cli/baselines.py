"""driftmon baseline: take, list, show and promote the frozen references."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_deployment,
    open_store,
    parse_moment,
    pick_collection,
    user_name,
)
from monitor.cli.show import console, print_json, progress
from monitor.errors import BaselineError

if TYPE_CHECKING:
    from monitor.records import BaselineInfo, Window

app = typer.Typer(
    help="The frozen references that windows are compared with.", no_args_is_help=True, rich_markup_mode=None
)

Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]
Collection = Annotated[
    str | None, typer.Argument(help="The collection; may be left out when there is only one.")
]
MOST_WINDOWS = 200_000
"""A longer span is a slip of the pen: two years of windows of five minutes."""


@app.command("build")
def build(
    collection: Collection = None,
    start: Annotated[
        str | None, typer.Option(help="First moment of quiet history: ISO 8601, or an age (-7d).")
    ] = None,
    end: Annotated[str | None, typer.Option(help="End of quiet history (default: now).")] = None,
    reason: Reason = "",
    activate: Annotated[bool, typer.Option(help="Compare with it from now on; the old one is kept.")] = True,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take a baseline from quiet history, the index, the suite and the canaries as they are now."""
    from monitor.baseline.codec import pack
    from monitor.reference import take_baseline

    deployment = load_deployment(config)
    name = pick_collection(deployment, collection)
    settings = deployment.config.collections[name]
    now = datetime.now(UTC)
    until = parse_moment(end, now)
    since = parse_moment(start, until - timedelta(days=7))
    if (until - since) / settings.window > MOST_WINDOWS:
        raise BaselineError(
            f"more than {MOST_WINDOWS} windows lie between {since:%F %T} and {until:%F %T} UTC; "
            "give a later --start"
        )
    windows = windows_between(name, settings.window, since, until)
    if not windows:
        raise BaselineError(
            f"no whole window of {settings.window} lies between {since:%F %T} and {until:%F %T} UTC; "
            "give an earlier --start or a later --end"
        )
    with open_store(deployment) as store:
        with progress() as advance:
            taken = take_baseline(deployment.collections[name], windows, progress=advance)
        baseline = taken.baseline
        identifier = store.save_baseline(
            name,
            pack(baseline),
            by=user_name(),
            reason=reason or "driftmon baseline build",
            start=windows[0].start,
            end=windows[-1].end,
            model=model_name(settings.live_embedder or settings.embedder),
            meta={"windows": baseline.windows, "records": baseline.records, "notes": list(taken.notes)},
            activate=activate,
        )
    if as_json:
        print_json(
            {"id": identifier, "collection": name, **baseline_facts(baseline), "notes": list(taken.notes)}
        )
        return
    out = console()
    active = "active" if activate else "kept, not active; `driftmon baseline promote` makes it so"
    out.print(f"baseline [bold]{identifier}[/] of {name}: {active}")
    for fact, value in baseline_facts(baseline).items():
        out.print(f"  {fact.replace('_', ' ')}: {value}")
    for note in taken.notes:
        out.print(f"  note: {note}", markup=False, soft_wrap=True)


@app.command("list")
def list_baselines(
    collection: Collection = None, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """List the baselines, newest first."""
    deployment = load_deployment(config)
    if collection is not None:
        pick_collection(deployment, collection)
    with open_store(deployment) as store:
        infos = store.baselines(collection)
    if as_json:
        print_json([info_dict(i) for i in infos])
        return
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("id", "collection", "", "made (UTC)", "by", "why", "span (UTC)", "records"):
        fixed = column in ("id", "", "made (UTC)", "span (UTC)")
        table.add_column(column, overflow="fold", no_wrap=fixed, min_width=len(column))
    for i in infos:
        table.add_row(
            str(i.id),
            i.collection,
            "[green]active[/]" if i.active else "",
            f"{i.created_at:%F}\n{i.created_at:%R}",
            escape(i.created_by),
            escape(i.reason),
            f"{i.start:%F %R}\n{i.end:%F %R}",
            str(i.meta.get("records", "")),
        )
    console().print(
        table if infos else "no baseline yet; `driftmon baseline build` takes one from quiet history"
    )


@app.command("show")
def show(identifier: int, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show what a baseline holds and how its own windows scatter."""
    from monitor.baseline.codec import unpack

    deployment = load_deployment(config)
    with open_store(deployment) as store:
        info = next((i for i in store.baselines() if i.id == identifier), None)
        if info is None:
            raise BaselineError(f"no baseline {identifier}; `driftmon baseline list` shows those there are")
        baseline = unpack(store.baseline_data(identifier))
    scatter = {
        key: {"factor": d.factor, "share": d.share, "windows": d.windows}
        for key, d in baseline.dispersion.items()
    }
    if as_json:
        print_json({**info_dict(info), **baseline_facts(baseline), "dispersion": scatter})
        return
    out = console()
    state = "active" if info.active else "not active"
    out.print(
        f"baseline {info.id} of {info.collection}, {state}, by {info.created_by}: {info.reason}", markup=False
    )
    for fact, value in baseline_facts(baseline).items():
        out.print(f"  {fact.replace('_', ' ')}: {value}")
    for key, d in scatter.items():
        out.print(f"  {key}: over-dispersion {d['factor']:.2f} over {d['windows']} windows")


@app.command("promote")
def promote(identifier: int, reason: Reason = "", config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Compare with this baseline from now on; the collection's evidence starts anew."""
    with open_store(load_deployment(config)) as store:
        store.promote(identifier, by=user_name(), reason=reason or "driftmon baseline promote")
    console().print(f"baseline [bold]{identifier}[/] is active; evidence starts anew")


def windows_between(collection: str, length: timedelta, start: datetime, end: datetime) -> list[Window]:
    """Return the whole windows, aligned to the epoch, that lie inside ``[start, end)``."""
    from monitor.records import Window

    step = length.total_seconds()
    first = -(-start.timestamp() // step) * step
    moments = []
    while first + step <= end.timestamp():
        moments.append(datetime.fromtimestamp(first, UTC))
        first += step
    return [Window(collection, moment, moment + length) for moment in moments]


def model_name(embedder: dict[str, Any] | None) -> str:
    """Return the configured model's name, or where vectors come from without one."""
    if embedder is None:
        return "vectors of the log"
    return str(embedder.get("model", embedder.get("type", "")))


def baseline_facts(baseline: Any) -> dict[str, Any]:
    """Return what people want to know about a baseline, as plain data."""
    suite = baseline.suite
    return {
        "records": baseline.records,
        "windows": baseline.windows,
        "dimension": baseline.dimension,
        "documents": None if baseline.corpus is None else baseline.corpus.size,
        f"recall_at_{baseline.k}": None if suite is None else round(float(suite.recall.mean()), 4),
        "suite_queries": 0 if suite is None else len(suite.query_ids),
        "canaries": 0 if baseline.canary is None else len(baseline.canary.vectors),
    }


def info_dict(info: BaselineInfo) -> dict[str, Any]:
    """Return a baseline's record as plain data."""
    return {
        "id": info.id,
        "collection": info.collection,
        "active": info.active,
        "created_at": info.created_at,
        "created_by": info.created_by,
        "reason": info.reason,
        "start": info.start,
        "end": info.end,
        "model": info.model,
        "meta": dict(info.meta),
    }
