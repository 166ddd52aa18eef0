"""The driftmon command: thin, and every subcommand imports what it needs only when it is called."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli import (
    audit,
    baselines,
    database,
    demonstration,
    events,
    explanation,
    hooks,
    outbox,
    report,
    setup,
    silences,
    windows,
)
from monitor.cli.entry import INTERRUPTED
from monitor.cli.show import harmless
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
app.add_typer(events.app, name="event")
app.add_typer(outbox.app, name="outbox")
app.add_typer(silences.app, name="silence")
app.add_typer(hooks.app, name="notify")
app.command("acknowledge")(silences.acknowledge)
app.command("init")(setup.init)
app.command("check")(setup.check)
app.command("evaluate")(windows.evaluate)
app.command("status")(windows.status)
app.command("explain")(explanation.explain)
app.command("audit")(audit.audit)
app.command("run")(windows.run)
app.command("report")(report.report)
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
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command; an error becomes one plain message and an exit code.

    0 ok, 1 drift found where asked, 2 usage or configuration, 3 an edge failed.
    """
    limit_blas_threads()  # before numpy is imported by any command
    _prepare_streams()
    sys.exit(_flush(_run()))


def _run() -> int:
    try:
        code = app(standalone_mode=False) or 0  # without standalone mode the code of `typer.Exit` is returned
    except DriftmonError as error:
        return _tell(str(error), error.exit_code)
    except _UsageError as error:
        error.show()
        return 2
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # `driftmon status | head` is no error; typer and rich would end the process with 1, which means drift.
        return 0
    except OSError as error:
        if error.filename is None:
            _drop_output()  # told once: what is still buffered fails again
        return _tell(f"{error.filename or 'standard output'}: {error.strerror}", 3)
    return _tell("stopped; what was committed is kept", code) if code == INTERRUPTED else int(code)


def _tell(message: str, code: int) -> int:
    typer.echo(f"driftmon: {harmless(message)}", err=True)
    return code


def _prepare_streams() -> None:
    """Make printing safe where a stream is closed (`>&-`) or knows only ASCII: a `?` is better than a traceback."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 open to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush(code: int) -> int:
    """Write out what is buffered while an error can still be told; a reader that went away changes nothing."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _drop_output()  # or the interpreter tries once more
        if not isinstance(error, BrokenPipeError):
            return _tell(f"standard output: {error.strerror}", 3)
    return code
