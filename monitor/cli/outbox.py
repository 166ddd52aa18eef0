"""driftmon outbox: what people were not told yet, and what is done about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, load_deployment, open_store, user_name
from monitor.cli.show import console, print_json
from monitor.errors import ConfigError

app = typer.Typer(
    help="What is on its way to people, and what is dead.", no_args_is_help=True, rich_markup_mode=None
)

Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of dead deliveries.")]
All = Annotated[bool, typer.Option("--all", help="All that are dead.")]


@app.command("list")
def list_(
    dead: Annotated[bool, typer.Option("--dead", help="Only what is dead.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Also what has been delivered or ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 100,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show the deliveries that wait or are dead, the newest first."""
    if dead and every:
        raise ConfigError("--dead and --all contradict each other; keep one of the two")
    with open_store(load_deployment(config)) as store:
        letters = store.letters("dead" if dead else "all" if every else "waiting", limit)
    if as_json:
        print_json({"deliveries": [asdict(letter) for letter in letters]})
        return
    if not letters:
        console().print("nothing waits, nothing is dead" if not every else "nothing was ever told")
        return
    from rich.table import Table

    table = Table(box=None)
    for name in ("id", "notifier", "incident", "collection", "kind", "state", "attempts", "next", "error"):
        table.add_column(name)
    for each in letters:
        table.add_row(
            str(each.id),
            each.notifier,
            str(each.incident),
            each.collection,
            each.kind,
            f"[bold red]{each.state}[/]" if each.state == "dead" else each.state,
            str(each.attempts),
            f"{each.next_attempt_at:%F %T}" if each.state in ("waiting", "silenced") else "-",
            each.last_error or "-",
        )
    console().print(table)


@app.command()
def replay(
    numbers: Numbers = None,
    every: All = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Send dead deliveries again, with all attempts before them; the keys stay the same."""
    with open_store(load_deployment(config)) as store:
        count = store.replay(_chosen(numbers, every=every), user_name())
    if as_json:
        print_json({"replayed": count})
    else:
        console().print(f"{count} to be sent again; the daemon takes them up within seconds")


@app.command()
def drop(
    numbers: Numbers = None,
    every: All = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Give dead deliveries up: they stay in the list as dropped and are counted as dead no more."""
    with open_store(load_deployment(config)) as store:
        count = store.drop(_chosen(numbers, every=every), user_name(), reason)
    if as_json:
        print_json({"dropped": count})
    else:
        console().print(f"{count} dropped")


def _chosen(numbers: list[int] | None, *, every: bool) -> list[int] | None:
    if bool(numbers) == every:
        raise ConfigError(
            "name the deliveries by their numbers, or give --all; `driftmon outbox list --dead` shows them"
        )
    return numbers if not every else None
