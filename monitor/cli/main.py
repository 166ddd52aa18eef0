"""The driftmon command: thin, and every subcommand imports what it needs only when it is called."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from monitor.cli import baselines, database, demonstration, setup, windows
from monitor.errors import DriftmonError
from monitor.threads import limit_blas_threads

# Typer carries click inside itself or beside itself, by version; the public class leads to the right one.
_UsageError: Any = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="driftmon",
    help="Watch production vector search and RAG: tell when its results drift, and name the cause.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(baselines.app, name="baseline")
app.add_typer(database.app, name="db")
app.command("init")(setup.init)
app.command("check")(setup.check)
app.command("evaluate")(windows.evaluate)
app.command("status")(windows.status)
app.command("run")(windows.run)
app.command("demo")(demonstration.demo)


def _print_version(value: bool) -> None:
    if value:
        from monitor import __version__

        typer.echo(f"driftmon {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; an error becomes one plain message and an exit code.

    0 ok, 1 drift found where asked, 2 usage or configuration, 3 an edge failed.
    """
    limit_blas_threads()  # before numpy is imported by any command
    try:
        sys.exit(app(standalone_mode=False))  # without standalone mode the code of `typer.Exit` is returned
    except DriftmonError as error:
        _fail(str(error), error.exit_code)
    except _UsageError as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped; what was committed is kept", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `driftmon status | head` is no error
        sys.exit(0)


def _fail(message: str, code: int) -> None:
    typer.echo(f"driftmon: {message}", err=True)
    sys.exit(code)
