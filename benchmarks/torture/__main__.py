"""The whole torture, or the parts that are named: prints every table and keeps all figures in one file."""

from __future__ import annotations

import argparse
import importlib
import sys
import time

import structlog
from rich.console import Console

from benchmarks.figures import Figure, Figures
from benchmarks.torture.document import document
from benchmarks.torture.report import missed

PARTS = (
    "kills",
    "stalls",
    "outages",
    "replicas",
    "upgrade",
    "pooler",
    "delivery",
    "clocks",
    "disk",
    "ending",
    "hanging",
    "fuzz",
    "edges",
    "hostile",
    "secrets",
    "ssrf",
    "size",
    "throughput",
    "footprint",
    "soak",
)


def torture() -> int:
    """Run the parts in order; one that cannot run here says why, and counts as missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them if left out")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the whole; less is quicker")
    parser.add_argument(
        "--page", action="store_true", help="only write docs/reliability.md from the last figures"
    )
    arguments = parser.parse_args()
    if arguments.page:
        document(PARTS)
        return 0
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    console, failures = Console(), list[str]()
    for part in arguments.parts or PARTS:
        console.rule(part)
        began = time.monotonic()
        try:
            figures = importlib.import_module(f"benchmarks.torture.{part}").run(arguments.scale)
        except Exception as error:  # noqa: BLE001 the other parts are still worth running
            console.print(f"[red]{part}: {type(error).__name__}: {error}")
            failures.append(f"{part}: did not end: {error}")
            continue
        kept = Figures(f"torture-{part}", seed=1, runs=1, quick=arguments.scale < 1.0)
        kept.figures.extend(Figure(**values) for values in figures)
        kept.write()
        console.print(f"{part}: {time.monotonic() - began:.0f} s")
        failures += [f"{part}: {sentence}" for sentence in missed(figures)]
    for failure in failures:
        console.print(f"[red]{failure}", soft_wrap=True)
    console.print("everything reached its bar" if not failures else f"{len(failures)} bars missed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(torture())
