"""Figures of a benchmark: timed side by side, printed as a table, kept as JSON that documents quote."""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from monitor.threads import BLAS_VARIABLES, cpu_quota

FOLDER = Path(__file__).resolve().parents[1] / "build" / "figures"

# Overrides that some machines set for an old OpenBLAS; they force a current one onto slower kernels.
STALE_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value and the bar it was to reach, if there is one."""

    name: str
    value: float
    unit: str
    bar: float | None
    higher_is_better: bool
    command: str

    @property
    def reached(self) -> bool | None:
        if self.bar is None:
            return None
        return self.value >= self.bar if self.higher_is_better else self.value <= self.bar

    @property
    def verdict(self) -> str:
        return {None: "", True: "reached", False: "NOT REACHED"}[self.reached]


@dataclass(slots=True)
class Figures:
    """The figures of one benchmark; ``write`` prints them and keeps them under ``build/figures``.

    A quick run is written to a file of its own, so that it never stands where a full one is quoted from.
    """

    name: str
    seed: int
    runs: int
    quick: bool = False
    folder: Path = FOLDER
    figures: list[Figure] = field(default_factory=list)

    def add(
        self, name: str, value: float, unit: str, bar: float | None = None, *, higher_is_better: bool = False
    ) -> None:
        if not math.isfinite(value):
            raise ValueError(f"{self.name}: {name} is {value}; a figure must be a finite number")
        command = shlex.join(["python", *sys.orig_argv[1:]])
        self.figures.append(Figure(name, float(value), unit, bar, higher_is_better, command))

    def write(self) -> Path:
        head = machine() | {"seed": self.seed, "runs": self.runs, "quick": self.quick}
        rows = [{key: getattr(figure, key) for key in Figure.__slots__} for figure in self.figures]
        path = self.folder / f"{self.name}{'.quick' if self.quick else ''}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"head": head, "figures": rows}, indent=2) + "\n", encoding="utf-8")
        self._print(head, path)
        return path

    def _print(self, head: Mapping[str, Any], path: Path) -> None:
        table = Table(title=f"{self.name} ({', '.join(f'{key} {value}' for key, value in head.items())})")
        for column in ("figure", "value", "unit", "bar", ""):
            table.add_column(column, justify="right" if column in {"value", "bar"} else "left")
        for figure in self.figures:
            bar = "" if figure.bar is None else f"{'≥' if figure.higher_is_better else '≤'} {figure.bar:g}"
            style = "red" if figure.reached is False else None
            table.add_row(figure.name, f"{figure.value:,.4g}", figure.unit, bar, figure.verdict, style=style)
        console = Console()
        console.print(table)
        console.print(
            f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}"
        )


def machine() -> dict[str, Any]:
    """Return what a figure depends on besides the code."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload,unused-ignore]
    return {
        "cores": cpu_quota(),
        "blas_threads": os.environ.get(BLAS_VARIABLES[0], "default"),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
    }


def rerun_steady(threads: int = 1) -> None:
    """Start this process anew with ``threads`` BLAS threads and no stale overrides, if it runs otherwise.

    A library reads these variables when it is loaded, so setting them here would be too late.
    """
    wanted = {name: value for name, value in os.environ.items() if name not in STALE_VARIABLES}
    wanted |= dict.fromkeys(BLAS_VARIABLES, str(threads))
    if wanted != dict(os.environ):
        os.execve(sys.executable, sys.orig_argv, wanted)  # noqa: S606 - the very command that was given


def alternate(
    cases: Mapping[str, Callable[[], object]], runs: int, clock: Callable[[], float] = perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of each case in each run; every run calls all cases in turn, after one to warm up.

    What else happens on the machine then falls on all cases alike, and run i of one may be divided by run i
    of another.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for run in range(runs + 1):
        for name, case in cases.items():
            start = clock()
            case()
            if run:
                seconds[name].append(clock() - start)
    return seconds


def median_ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the ratios of paired runs."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
