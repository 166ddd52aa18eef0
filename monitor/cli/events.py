"""driftmon event: tell what was done to the monitored service, and list what was told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_families,
    open_store,
    parse_moment,
    pick_collection,
    user_name,
)
from monitor.cli.show import console, print_json

app = typer.Typer(
    help="Deploys, re-indexings and model pushes: they stand beside drift that follows them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("add")
def add(
    kind: Annotated[str, typer.Argument(help="deploy, reindex, model_push or other.")],
    title: Annotated[str, typer.Argument(help="What was done, in some words.")],
    collection: Annotated[str, typer.Option(help="The collection or segment; every one if left out.")] = "",
    at: Annotated[str | None, typer.Option(help="When: ISO 8601, or an age (-2h); now if left out.")] = None,
    key: Annotated[
        str,
        typer.Option(help="Your own name for it, such as the pipeline's run: told twice, it is kept once."),
    ] = "",
    planned: Annotated[
        bool,
        typer.Option("--planned", help="The drift that follows is expected: it pages nobody for a while."),
    ] = False,
    grace: Annotated[
        str | None,
        typer.Option(help="How long after a planned change, such as 2h; events.grace if left out."),
    ] = None,
    url: Annotated[str, typer.Option(help="Where more is to be read.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Record an event; the same key twice keeps one."""
    from monitor.daemon.desk import StoreDesk

    deployment = load_families(config)
    now = datetime.now(UTC)
    body: dict[str, Any] = {"kind": kind, "title": title, "collection": collection, "key": key, "url": url}
    body |= {"planned": planned}
    if at is not None:
        body["at"] = parse_moment(at, now)
    if grace is not None:
        body["grace"] = grace
    with open_store(deployment) as store:
        kept = StoreDesk(lambda: store, lambda: deployment, lambda: now).record_event(body, user_name())
    if as_json:
        print_json(kept)
        return
    out = console()
    event = kept["event"]
    state = "recorded" if kept["result"] == "created" else "is known already, and stays as it was told first"
    out.print(f"event {event['key']} {state}", markup=False, soft_wrap=True)
    if event["grace_until"]:
        out.print(f"drift pages nobody until {event['grace_until']}", markup=False, soft_wrap=True)
    for command in kept["next"]:
        out.print(
            f"once enough quiet history lies behind it: {command}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


@app.command("list")
def list_events(
    collection: Annotated[
        str | None, typer.Argument(help="What concerns one collection; all if left out.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="From when on: ISO 8601, or an age; -30d if left out.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List the events, newest first."""
    from datetime import timedelta

    from monitor.config.told import AHEAD
    from monitor.segments import with_parent
    from monitor.web.views import event_view

    deployment = load_families(config)
    names = None if collection is None else with_parent(pick_collection(deployment, collection))
    now = datetime.now(UTC)
    with open_store(deployment) as store:
        found = store.events(names, parse_moment(since, now - timedelta(days=30)), now + AHEAD)
    if as_json:
        print_json([event_view(event) for event in found])
        return
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("at (UTC)", "kind", "collection", "what", "planned, grace until", "by", "key"):
        table.add_column(column, overflow="fold", no_wrap=column in ("at (UTC)", "kind"))
    for event in found:
        until = f"{event.grace_until:%F %R}" if event.grace_until else ""
        row = (event.collection or "every", event.title, until, event.recorded_by, event.key)
        table.add_row(f"{event.at:%F %R}", event.kind, *map(escape, row))
    console().print(table if found else "no event was told of; `driftmon event add` records one")
