"""The mergeable profile: a commutative monoid of counts and sums, so that windows roll up and workers combine.

Every entry is an array that adds. Counts are int64 and merge exactly; sums are float64. The names say
``signal.statistic``:

==========================  ===========  ==================================================================
name                        shape        meaning
==========================  ===========  ==================================================================
queries.n, corpus.n         (1,)         accepted vectors
queries.cells, corpus.cells (K,)         occupancy of the baseline's codebook
queries.norms, corpus.norms (bins,)      log2 histogram of raw norms
queries.nonfinite …zero     (1,)         rejected vectors, likewise ``…wrong_dimension``, ``…missing``
queries.total, corpus.total (d,) sum     sum of accepted (unit) vectors
scores.top1 …mean …margin   (B,)         one value per query, in the baseline's bins
scores.answers …empty       (1,)         records with an answer, records whose answer was empty
scores.missing …nonfinite   (1,)         answers without scores, with a score that is NaN or Inf
corpus.size, corpus.looked  (1,)         documents in the index, times it was looked at
corpus.new …gone …kept …changed (1,)     against the baseline's sample
suite.replays, suite.recall … (1,), (Q,) sums over replays per query; likewise ``index.…``
canary.replays, canary.distance          sums over replays of 1 - cos per canary text
records.seen …sampled …     (1,)         the log's own quality
==========================  ===========  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.errors import MergeError
from monitor.stats import blob
from monitor.stats.arrays import FloatArray, IntArray
from monitor.stats.vector_pass import VectorSums

Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Profile:
    """A fixed-size summary of a sample, measured on one basis (the fingerprint of codebooks and score bins).

    No raw text and no raw vector is in it; its size depends on dimension, cells and suite, not on traffic.
    """

    basis: str
    counts: Mapping[str, IntArray] = field(default_factory=dict)
    sums: Mapping[str, FloatArray] = field(default_factory=dict)

    def count(self, name: str) -> int:
        """Return a scalar count; 0 where nothing was counted."""
        array = self.counts.get(name)
        return 0 if array is None else int(array.sum())

    def pack(self) -> bytes:
        """Return the profile as bytes (see :mod:`monitor.stats.blob`)."""
        arrays: dict[str, NDArray[Any]] = {f"c:{name}": array for name, array in self.counts.items()}
        arrays |= {f"s:{name}": array for name, array in self.sums.items()}
        return blob.pack({"basis": self.basis}, arrays)

    @classmethod
    def unpack(cls, data: bytes) -> Profile:
        """Return the profile that :meth:`pack` wrote; raises ValueError on foreign bytes."""
        values, arrays = blob.unpack(data)
        if "basis" not in values:
            raise ValueError("a driftmon blob, but not a profile: it names no basis")
        return cls(
            basis=str(values["basis"]),
            counts={name[2:]: array for name, array in arrays.items() if name.startswith("c:")},
            sums={name[2:]: array for name, array in arrays.items() if name.startswith("s:")},
        )


def zero(basis: str) -> Profile:
    """Return the neutral element: merging it changes nothing."""
    return Profile(basis)


def merge(left: Profile, right: Profile) -> Profile:
    """Return the profile of both samples together; associative and commutative.

    Raises
    ------
    MergeError
        When the two were measured on different baselines: their cells and bins do not mean the same.
    """
    if left.basis != right.basis:
        raise MergeError(
            f"profiles of baseline {left.basis} and {right.basis} cannot be merged: their cells and bins differ; "
            "roll up windows of one baseline only"
        )
    return Profile(left.basis, _add(left.counts, right.counts), _add(left.sums, right.sums))


def merge_all(basis: str, profiles: Iterable[Profile]) -> Profile:
    """Return the merge of any number of profiles, :func:`zero` for none."""
    return reduce(merge, profiles, zero(basis))


def subtract(whole: Profile, part: Profile) -> Profile:
    """Return ``whole`` without ``part`` (which must be in it): the leave-one-out of calibration."""
    if whole.basis != part.basis:
        raise MergeError(f"profiles of baseline {whole.basis} and {part.basis} cannot be subtracted")
    return Profile(whole.basis, _take(whole.counts, part.counts), _take(whole.sums, part.sums))


def vectors_profile(
    basis: str, signal: str, sums: VectorSums, *, missing: int = 0, wrong_dimension: int = 0
) -> Profile:
    """Return the profile of one population of vectors from its single pass."""
    scalars = {
        "n": sums.n,
        "nonfinite": sums.nonfinite,
        "zero": sums.zero,
        "missing": missing,
        "wrong_dimension": wrong_dimension,
    }
    counts = {f"{signal}.{name}": np.array([value], dtype=np.int64) for name, value in scalars.items()}
    counts |= {f"{signal}.cells": sums.cells, f"{signal}.norms": sums.norms}
    return Profile(basis, counts, {f"{signal}.total": sums.total})


def counts_profile(basis: str, **values: int) -> Profile:
    """Return a profile of scalar counts; a double underscore in a name stands for the dot."""
    return Profile(
        basis, {name.replace("__", "."): np.array([value], dtype=np.int64) for name, value in values.items()}
    )


def _add(
    left: Mapping[str, NDArray[Number]], right: Mapping[str, NDArray[Number]]
) -> dict[str, NDArray[Number]]:
    merged = dict(left)
    for name, array in right.items():
        merged[name] = merged[name] + array if name in merged else array
    return merged


def _take(
    whole: Mapping[str, NDArray[Number]], part: Mapping[str, NDArray[Number]]
) -> dict[str, NDArray[Number]]:
    return {name: array - part[name] if name in part else array for name, array in whole.items()}
