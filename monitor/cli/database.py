"""driftmon db: the schema of the monitor's own database."""

from __future__ import annotations

import json

import typer

from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath

app = typer.Typer(help="The monitor's own database.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def upgrade(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Bring the schema to this release; safe to run from many replicas at once."""
    from monitor.config import load_config
    from monitor.store import schema

    url = load_config(config).database.get_secret_value()
    before = schema.current(url)
    schema.upgrade(url)
    after = schema.current(url)
    typer.echo(f"schema {after}: up to date" if before == after else f"schema {before or 'empty'} -> {after}")


@app.command()
def current(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show the schema's revision and the one this release needs."""
    from monitor.config import load_config
    from monitor.store import schema

    url = load_config(config).database.get_secret_value()
    now, head = schema.current(url), schema.head()
    if as_json:
        typer.echo(json.dumps({"current": now, "head": head, "up_to_date": now == head}))
    else:
        state = "up to date" if now == head else "run `driftmon db upgrade`"
        typer.echo(f"current {now or 'none'}, this release needs {head}: {state}")
