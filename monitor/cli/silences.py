"""driftmon silence and acknowledge: who is not to be told, and who has heard."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

import typer

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
from monitor.cli.show import console, print_json
from monitor.errors import ConfigError

app = typer.Typer(help="Spans of time in which nobody is told.", no_args_is_help=True, rich_markup_mode=None)
LONGEST = timedelta(days=90)


@app.command()
def add(
    collection: Annotated[
        str | None, typer.Argument(help="The collection, with its segments; all of them if left out.")
    ] = None,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; people read it.")],
    lasts: Annotated[str | None, typer.Option("--for", help="How long from its start on: 2h, 3d.")] = None,
    until: Annotated[str | None, typer.Option(help="Its end instead, ISO 8601.")] = None,
    start: Annotated[str | None, typer.Option(help="Its start, ISO 8601 (default: now).")] = None,
    cause: Annotated[str, typer.Option(help="Only incidents of this cause.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell nobody of a collection's incidents for a while; what still stands at the end is told then."""
    from monitor.config import parse_duration
    from monitor.explain import CAUSES

    if cause and cause not in CAUSES:
        raise ConfigError(f"--cause: {cause!r} is no cause; known are {', '.join(sorted(CAUSES))}")
    if not reason.strip():
        raise ConfigError("--reason: is empty; say in some words why nobody is to be told")
    if (lasts is None) == (until is None):
        raise ConfigError("say how long: --for 2h, or --until with its end, one of the two")
    deployment = load_families(config)
    name = "" if collection is None else pick_collection(deployment, collection)
    now = datetime.now(UTC)
    begin = parse_moment(start, now)
    try:
        length = None if lasts is None else cast("timedelta", parse_duration(lasts))
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from None
    end = parse_moment(until, now) if length is None else begin + length
    if end <= now:
        raise ConfigError("the silence would have ended already; give a later end")
    if end - begin > LONGEST:
        raise ConfigError(
            f"a silence lasts at most {LONGEST.days}d: it would be forgotten; give an earlier end"
        )
    with open_store(deployment) as store:
        made = store.add_silence(name, cause, begin, end, user_name(), reason.strip())
    if as_json:
        print_json(asdict(made))
    else:
        console().print(
            f"silence {made.id} of {name or 'every collection'} until {end:%F %R} UTC; "
            f"`driftmon silence end {made.id}` ends it before"
        )


@app.command("list")
def list_(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show the silences that hold, and those to come."""
    now = datetime.now(UTC)
    with open_store(load_deployment(config)) as store:
        silences = store.silences(now)
    if as_json:
        print_json({"silences": [asdict(s) | {"holds": s.starts_at <= now} for s in silences]})
        return
    if not silences:
        console().print("no silence")
        return
    from rich.table import Table

    table = Table(box=None)
    for name in ("id", "collection", "cause", "from", "until (UTC)", "by", "reason"):
        table.add_column(name)
    for s in silences:
        begin, end = f"{s.starts_at:%F %R}", f"{s.ends_at:%F %R}"
        table.add_row(str(s.id), s.collection or "all", s.cause or "all", begin, end, s.created_by, s.reason)
    console().print(table)


@app.command()
def end(
    number: Annotated[int, typer.Argument(help="The silence's number.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """End a silence now: what stands is told within a minute."""
    with open_store(load_deployment(config)) as store:
        store.end_silence(number, user_name())
    if as_json:
        print_json({"ended": number})
    else:
        console().print(f"silence {number} has ended")


def acknowledge(
    incident: Annotated[
        int, typer.Argument(help="The incident's number, as a message or `status` shows it.")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say that you work on an incident: nobody is told of it again before it gets worse or resolves."""
    by = user_name()
    with open_store(load_deployment(config)) as store:
        found = store.acknowledge(incident, by)
    if as_json:
        print_json(asdict(found))
    else:
        console().print(f"incident {incident} of {found.collection}: acknowledged by {by}", markup=False)
