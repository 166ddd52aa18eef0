"""driftmon demo: the three acts on real text and real models, in a minute, with nothing to download."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import AsJson, require_place
from monitor.cli.show import console, print_json, progress
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from monitor.config import WebConfig
    from monitor.demo.scenario import Act, Story


def demo(
    seed: Annotated[
        int, typer.Option(help="Seed of the simulated traffic; the vectors are real either way.")
    ] = 1,
    live: Annotated[
        bool, typer.Option("--live", help="Embed the texts anew with sentence-transformers.")
    ] = False,
    report: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("demo-report.html"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the status page over the demo's data until Ctrl-C.")
    ] = False,
    listen: Annotated[str, typer.Option(help="host:port of the status page.")] = "127.0.0.1:9464",
    as_json: AsJson = False,
) -> None:
    """Play corpus growth, model pushes and the Drift-Adapter through the real pipeline, and write a report."""
    from monitor.demo.material import load_material
    from monitor.demo.report import write_report
    from monitor.demo.scenario import play
    from monitor.demo.summary import summarise

    require_place(report, "--report")
    web = _address(listen)
    with ExitStack() as ending:
        keep = Path(ending.enter_context(TemporaryDirectory(prefix="driftmon-demo-"))) if serve else None
        with progress() as advance:
            story = play(load_material(live=live, progress=advance), seed, advance, keep)
        summary = summarise(story)
        write_report(story, report)
        if as_json:
            print_json(summary)
        else:
            _show(story, summary, report)
        if keep is not None:
            _serve(story, keep, web)


def _address(listen: str) -> WebConfig:
    from pydantic import ValidationError

    from monitor.config import WebConfig

    try:
        return WebConfig(listen=listen)
    except ValidationError:
        raise ConfigError(f"--listen: {listen!r} is no host:port, such as 127.0.0.1:9464") from None


def _serve(story: Story, folder: Path, web: WebConfig) -> None:
    from threading import Event

    from monitor.demo.serving import served

    with served(story, folder, *web.address) as server, suppress(KeyboardInterrupt):
        typer.echo(f"The status page: {server.url} (Ctrl-C ends it)", err=True)
        Event().wait()


def _show(story: Story, summary: dict[str, Any], report: Path) -> None:
    out = console()
    for act in story.acts:
        _show_act(out, act, next(a for a in summary["acts"] if a["act"] == act.name))
    out.print(f"The whole story with plots: {report}", markup=False, soft_wrap=True)


def _show_act(out: Any, act: Act, summary: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    out.print()
    out.rule(f"[bold]{act.title}", align="left")
    table = Table(header_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("reading")
    for column in ("before", "after", "p-value after"):
        table.add_column(column, justify="right")
    table.add_column("")
    for key, row in summary["readings"].items():
        if key in summary["firing_at_end"]:
            mark = "[bold red]fires[/]"
        else:
            mark = "fired, then resolved" if key in summary["fired"] else ""
        table.add_row(key, *(_figure(row[name]) for name in ("before", "after", "p_value")), mark)
    out.print(table)
    quiet = summary["fired_in_quiet"]
    out.print(
        f"quiet stretch before: {'nothing fired' if not quiet else '[red]fired: ' + ', '.join(quiet) + '[/]'}"
    )
    causes = ", ".join(f"{c['name']} ({c['confidence']:.0%})" for c in summary["causes"]) or "none"
    out.print(f"named cause: [bold]{causes}[/]")
    recall = summary["recall_at_k"]
    out.print(f"recall@{recall['k']}: {recall['before']:.3f} -> [bold]{recall['after']:.3f}[/]")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
