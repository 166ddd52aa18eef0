"""Figures of a torture, as plain values, and the command that prints them."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.figures import Figure, Figures


def figure(
    name: str, value: float, unit: str, bar: float | None = None, *, higher_is_better: bool = False
) -> dict[str, Any]:
    """Return one figure; ``bar`` is what was asked for."""
    return {
        "name": name,
        "value": float(value),
        "unit": unit,
        "bar": bar,
        "higher_is_better": higher_is_better,
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
    }


def missed(figures: Iterable[dict[str, Any]]) -> list[str]:
    """Return a sentence per figure that does not reach its bar."""
    return [
        f"{f.name}: {f.value:g} {f.unit}, asked {'at least' if f.higher_is_better else 'at most'} {f.bar:g}"
        for f in (Figure(**values) for values in figures)
        if f.reached is False
    ]


def main(name: str, run: Callable[[float], list[dict[str, Any]]], seed: int = 1) -> None:
    """Run from the command line at ``--scale``, print the table, exit with 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the whole; CI runs a fraction")
    scale = parser.parse_args().scale
    figures = run(scale)
    kept = Figures(name, seed=seed, runs=1, quick=scale < 1.0)
    kept.figures.extend(Figure(**values) for values in figures)
    kept.write()
    sys.exit(1 if missed(figures) else 0)
