"""The largest difference between the product's logarithms of probabilities and those of a yardstick."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from benchmarks.torture.report import figure

EXACT = 1e-9
"""Nine digits."""


def compare(name: str, pairs: Iterable[tuple[float, float]], bar: float = EXACT) -> dict[str, Any]:
    """Return the largest relative error of p, ``|exp(a - b) - 1|``: 1e-9 of a p of 1e-1000 counts like that of 0.5."""
    worst = max(abs(math.expm1(ours - theirs)) for ours, theirs in pairs)
    return figure(name, worst, "relative error of p", bar)
