"""driftmon report: a page of the status page as one file, to keep or to send."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_families,
    open_store,
    pick_collection,
    require_place,
)
from monitor.cli.show import console, print_json
from monitor.errors import ConfigError


def report(
    collection: Annotated[
        str | None, typer.Argument(help="The collection; may be left out if there is one.")
    ] = None,
    incident: Annotated[
        int | None, typer.Option(min=1, help="An incident by its number, instead of a collection.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it.")] = Path(
        "driftmon-report.html"
    ),
    days: Annotated[int, typer.Option(min=1, max=400, help="How far back a collection is shown.")] = 7,
    examples: Annotated[
        bool,
        typer.Option("--examples", help="Write words and examples from the log into an incident's file."),
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write what the status page shows of a collection or an incident as one self-contained HTML file."""
    from monitor.daemon.desk import StoreDesk
    from monitor.web.page import Visit
    from monitor.web.pages import render_collection, render_incident

    if incident is not None and collection is not None:
        raise ConfigError("give a collection or --incident, not both")
    require_place(output, "--output")
    deployment = load_families(config)
    visit = Visit(file=True)
    with open_store(deployment) as store:
        desk = StoreDesk(lambda: store, lambda: deployment, lambda: datetime.now(UTC))
        if incident is None:
            name = pick_collection(deployment, collection)
            view = desk.collection(name, days)
        else:
            view = desk.incident(incident, texts=examples)
    if view is None:
        raise ConfigError(f"no incident {incident} is kept; `driftmon status` shows those that are open")
    page = render_collection(view, visit, days) if incident is None else render_incident(view, visit)
    output.write_text(page, encoding="utf-8")
    if as_json:
        print_json({"output": str(output), "bytes": len(page.encode())})
        return
    console().print(f"written: {output}", markup=False, soft_wrap=True)
