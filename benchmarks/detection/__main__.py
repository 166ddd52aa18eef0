"""All parts, or those that are named: prints every table, keeps all figures, writes docs/statistics.md on request."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time

import structlog
from rich.console import Console

from benchmarks.detection.document import confusion_table, document
from benchmarks.detection.pool import VARIABLE
from benchmarks.figures import Figure, Figures, rerun_steady
from benchmarks.torture.report import missed

PARTS = ("quiet", "power", "canaries", "nulls", "cause", "worth", "peers", "cost")
SEED = 1


def main() -> int:
    """Run the parts in order; a missed bar is said and makes the exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them if left out")
    parser.add_argument("--quick", action="store_true", help="a minute in all; kept beside the whole figures")
    parser.add_argument(
        "--page", action="store_true", help="only write docs/statistics.md from the last figures"
    )
    arguments = parser.parse_args()
    if arguments.page:
        document(PARTS)
        return 0
    rerun_steady()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    console, failures = Console(), list[str]()
    pools = ("demo", "clinc150") if os.environ.get(VARIABLE) else ("demo",)
    for part in arguments.parts or PARTS:
        began = time.monotonic()
        figures = importlib.import_module(f"benchmarks.detection.{part}").run(pools, quick=arguments.quick)
        kept = Figures(f"detection-{part}", seed=SEED, runs=1, quick=arguments.quick)
        kept.figures.extend(Figure(**values) for values in figures)
        kept.write()
        if part == "cause":
            for line in confusion_table(kept.figures):
                console.print(line, soft_wrap=True, markup=False)
        console.print(f"{part} on {' and '.join(pools)}: {time.monotonic() - began:.0f} s")
        failures += [f"{part}: {sentence}" for sentence in missed(figures)]
    for failure in failures:
        console.print(f"[red]{failure}", soft_wrap=True)
    console.print("everything reached its bar" if not failures else f"{len(failures)} bars missed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
