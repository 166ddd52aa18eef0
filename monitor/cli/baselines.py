"""driftmon baseline: take, list, show and promote the frozen references."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.building import Family, family_meta, take_family
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_deployment,
    load_families,
    open_store,
    parse_moment,
    pick_collection,
    user_name,
)
from monitor.cli.show import console, print_json, progress
from monitor.errors import BaselineError
from monitor.segments import family_baselines

if TYPE_CHECKING:
    from monitor.records import BaselineInfo, Window
    from monitor.reference import Progress

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
    """Take a baseline from quiet history, the index, the suite and the canaries as they are now.

    Of a collection with segments: one of each as well.
    """
    from monitor.baseline.codec import pack

    deployment = load_families(config)
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
            family = take_family(deployment, name, windows, lambda of: _labelled(advance, of, name))
        identifiers: dict[str, int] = {}
        # The collection last: its baseline names those of its segments.
        for each in sorted(family.taken, key=lambda taken: taken == name):
            taken = family.taken[each]
            settings = family.deployment.config.collections[each]
            meta = {
                "windows": taken.baseline.windows,
                "records": taken.baseline.records,
                "notes": list(taken.notes),
            }
            identifiers[each] = store.save_baseline(
                each,
                pack(taken.baseline),
                by=user_name(),
                reason=reason or "driftmon baseline build",
                start=windows[0].start,
                end=windows[-1].end,
                model=model_name(settings.live_embedder or settings.embedder),
                meta=meta | (family_meta(family, name, identifiers) if each == name else {}),
                activate=activate,
            )
    if as_json:
        print_json(_family_dict(family, name, identifiers))
        return
    _show_family(family, name, identifiers, activate=activate)


def _labelled(advance: Progress, of: str, name: str) -> Progress:
    """Return the progress of a segment, told by its own name."""
    label = "" if of == name else f"{of.partition('/')[2]}: "
    return lambda what, done, total: advance(label + what, done, total)


def _family_dict(family: Family, name: str, identifiers: Mapping[str, int]) -> dict[str, Any]:
    def facts(of: str) -> dict[str, Any]:
        taken = family.taken[of]
        return {
            "id": identifiers[of],
            "collection": of,
            **baseline_facts(taken.baseline),
            "notes": list(taken.notes),
        }

    made = {**facts(name), "segments": [facts(each) for each in family.taken if each != name]}
    made["skipped"] = [{"collection": each, "why": why} for each, why in family.skipped.items()]
    return made


def _show_family(family: Family, name: str, identifiers: Mapping[str, int], *, activate: bool) -> None:
    out = console()
    active = "active" if activate else "kept, not active; `driftmon baseline promote` makes it so"
    taken = family.taken[name]
    out.print(f"baseline [bold]{identifiers[name]}[/] of {name}: {active}")
    for fact, value in baseline_facts(taken.baseline).items():
        out.print(f"  {fact.replace('_', ' ')}: {value}")
    for note in taken.notes:
        out.print(f"  note: {note}", markup=False, soft_wrap=True)
    for each, segment in family.taken.items():
        if each != name:
            found = f"{segment.baseline.records} records in {segment.baseline.windows} windows"
            out.print(f"baseline [bold]{identifiers[each]}[/] of {each}: {found}")
    for each, why in family.skipped.items():
        out.print(f"no baseline of {each}: {why}", markup=False, soft_wrap=True)
    for settings in family.deployment.config.collections[name].segments:
        if settings.most is not None and not family.taken[name].labels.get(settings.by):
            out.print(
                f"no record has the label {settings.by}: see source.columns.segments",
                markup=False,
                soft_wrap=True,
            )


@app.command("list")
def list_baselines(
    collection: Collection = None, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """List the baselines, newest first."""
    deployment = load_families(config)
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
    """Compare with this baseline from now on, and with those of its segments; their evidence starts anew."""
    with open_store(load_deployment(config)) as store:
        info = next((each for each in store.baselines() if each.id == identifier), None)
        segments = [] if info is None else family_baselines(info.meta)
        # The segments first: where one fails, the collection still stands by the family that it had.
        for each in (*segments, identifier):
            store.promote(each, by=user_name(), reason=reason or "driftmon baseline promote")
    with_segments = f", and {len(segments)} of its segments" if segments else ""
    console().print(f"baseline [bold]{identifier}[/] is active{with_segments}; evidence starts anew")


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
