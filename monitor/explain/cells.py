"""Which regions of the space gained or lost, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import hypergeom

from monitor.explain.words import characteristic_words, words_of
from monitor.stats.arrays import CountArray

ALPHA = 0.01
"""Chance that any cell at all is named where nothing moved."""


@dataclass(frozen=True, slots=True)
class MovedCell:
    """A cell of the codebook whose share of the vectors differs from the baseline's.

    ``share`` and ``baseline_share`` lie in [0, 1]; ``p_value`` is the chance of such a difference where nothing moved;
    ``words`` are what its texts have and others have not; ``examples`` some texts (or document ids) of it.
    """

    cell: int
    share: float
    baseline_share: float
    p_value: float
    words: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def gain(self) -> float:
        """How much of the vectors moved here (positive) or away (negative)."""
        return self.share - self.baseline_share


def moved_cells(window: CountArray, baseline: CountArray, most: int = 5) -> tuple[MovedCell, ...]:
    """Return the cells that moved by more than chance, those that moved most first.

    Parameters
    ----------
    window, baseline : CountArray
        ``(K,)`` occupancy of the same codebook.
    most : int
        At most so many cells.

    Notes
    -----
    Each cell is held against the baseline by Fisher's exact test at ``ALPHA / K`` (Bonferroni): of its ``a + b``
    vectors the window's ``a`` are hypergeometric where nothing moved. The normal law names three times as many cells
    by chance, for cells hold a dozen vectors. It says where a chart that fired has moved; it is no detector.

    Examples
    --------
    >>> [cell.cell for cell in moved_cells(np.array([50, 25, 25]), np.array([250, 375, 375]))]
    [0]
    """
    n, reference = int(window.sum()), int(baseline.sum())
    if n == 0 or reference == 0:
        return ()
    shares, before = window / n, baseline / reference
    law = hypergeom(n + reference, window + baseline, n)
    p = np.minimum(1.0, 2.0 * np.minimum(law.cdf(window), law.sf(window - 1)))
    order = np.argsort(-np.abs(shares - before), kind="stable")
    return tuple(
        MovedCell(int(i), float(shares[i]), float(before[i]), float(p[i]))
        for i in order
        if p[i] <= ALPHA / len(window)
    )[:most]


@dataclass(frozen=True, slots=True)
class Placed:
    """Texts and the cell that each lies in, in the same order."""

    cells: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()

    def inside(self, cell: int) -> list[str]:
        """Return the texts of a cell."""
        return [text for label, text in zip(self.cells, self.texts, strict=True) if label == cell]


def name_cells(
    cells: Sequence[MovedCell], window: Placed, quiet: Placed, examples: int = 0
) -> tuple[MovedCell, ...]:
    """Return the cells with their characteristic words and up to ``examples`` texts of each.

    Words are those that texts of a cell have and texts elsewhere have not, of the window and of quiet times together.
    Examples of a cell that gained are the window's, of one that lost those of quiet times.
    """
    labels = (*window.cells, *quiet.cells)
    bags = [words_of(text) for text in (*window.texts, *quiet.texts)]
    named = []
    for cell in cells:
        inside = [bag for label, bag in zip(labels, bags, strict=True) if label == cell.cell]
        outside = [bag for label, bag in zip(labels, bags, strict=True) if label != cell.cell]
        shown = dict.fromkeys(filter(None, (window if cell.gain > 0 else quiet).inside(cell.cell)))
        words = characteristic_words(inside, outside)
        named.append(replace(cell, words=words, examples=tuple(shown)[: max(0, examples)]))
    return tuple(named)
