"""Whole commands as a user meets them: the time of `--help`, the time and memory of the demo."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import STALE_VARIABLES, Figures

COMMAND = Path(sys.executable).parent / "driftmon"


def run(*arguments: str) -> tuple[float, float]:
    """Return wall seconds and peak megabytes of one run of the command."""
    environment = {name: value for name, value in os.environ.items() if name not in STALE_VARIABLES}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "out").open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(COMMAND), *arguments], stdout=out, stderr=out, cwd=folder, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"driftmon {' '.join(arguments)} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs of --help")
    runs = 3 if parser.parse_args().quick else 10
    figures = Figures("commands", seed=1, runs=runs, quick=runs < 10)
    run("--help")  # the first run reads the files from disk
    figures.add(
        "driftmon --help, median wall time",
        statistics.median(run("--help")[0] for _ in range(runs)),
        "s",
        0.4,
    )
    seconds, megabytes = run("demo", "--seed", "1")
    figures.add("driftmon demo, wall time", seconds, "s", 60.0)
    figures.add("driftmon demo, peak memory", megabytes, "MB", 1000.0)
    figures.write()


if __name__ == "__main__":
    main()
