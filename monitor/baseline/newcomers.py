"""What is known of new documents without their texts: the source that an id names, and where they lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile, counts_profile
from monitor.records import CorpusSample
from monitor.stats.arrays import FloatArray, IntArray, VectorArray
from monitor.stats.sampling import hash_ids

ALIKE = 10
"""Fewer documents than this say nothing of how alike they are."""
FAR = 1e-3
"""Share of the baseline's own documents that lie farther from every cell than the others."""
MOST_CHUNKS = 50
"""Documents of a source, on average, up to which ids are taken to name pieces of one text and not folders of many."""
_SOURCE = re.compile(r"(?P<source>.+?)(?:#|::).+|(?P<folder>.+)/\D{0,8}\d+", re.DOTALL)


def source_of(identifier: str) -> str | None:
    """Return the source that a document's id names, None where it names none.

    >>> source_of("doc-7#3"), source_of("doc-7/3"), source_of("doc-7/part-3"), source_of("doc-7")
    ('doc-7', 'doc-7', 'doc-7', None)
    """
    match = _SOURCE.fullmatch(identifier)
    return None if match is None else match["source"] or match["folder"]


def one_of_each_source(identifiers: Sequence[str]) -> NDArray[np.bool_]:
    """Return which documents ``(n,)`` stand for their source: the first of each, and every one that names none.

    Pieces of one text lie together: 15 ordinary documents of eight pieces counted as 120 observations look like a
    new topic. As one observation each they do not.

    >>> one_of_each_source(["a#1", "b#1", "a#2", "lone"]).tolist()
    [True, True, False, True]
    """
    met: set[str] = set()
    first = np.ones(len(identifiers), dtype=np.bool_)
    for row, source in enumerate(map(source_of, identifiers)):
        if source is not None:
            first[row] = source not in met
            met.add(source)
    return first


def are_pieces(sources: int, documents: int) -> bool:
    """Return whether so many sources of a sample name texts in pieces; a folder of a thousand texts is no source."""
    return sources > 0 and documents <= MOST_CHUNKS * sources


def observations(identifiers: Sequence[str]) -> NDArray[np.bool_]:
    """Return which documents of a baseline's sample ``(n,)`` its population is made of: one of each source."""
    sources = {s for s in map(source_of, identifiers) if s is not None}
    if not are_pieces(len(sources), len(identifiers)):
        return np.ones(len(identifiers), dtype=np.bool_)
    return one_of_each_source(identifiers)


def describe_newcomers(baseline: Baseline, corpus: CorpusSample | None) -> Baseline:
    """Return the baseline with what newcomers will be held against: its sources, and how far its documents lie."""
    if baseline.corpus is None or corpus is None:
        return baseline
    sources = Counter(s for s in map(source_of, corpus.ids) if s is not None)
    shared = sum(count for count in sources.values() if count > 1)
    near, cells = nearest_cells(corpus.vectors, baseline)
    tight = [likeness(corpus.vectors[cells == cell]) for cell in range(int(cells.max(initial=-1)) + 1)]
    near = near[np.isfinite(near)]
    reference = replace(
        baseline.corpus,
        sources=np.unique(hash_ids(tuple(sources))),
        source_overlap=shared / max(1, len(corpus.ids)),
        nearness=float(np.quantile(near, FAR)) if len(near) >= 1 / FAR / 10 else -1.0,
        tightness=max((t for t in tight if t is not None), default=1.0),
    )
    return replace(baseline, corpus=reference)


def profile_newcomers(baseline: Baseline, corpus: CorpusSample, fresh: NDArray[np.bool_]) -> Profile:
    """Return how many of the ``fresh`` documents ``(n,)`` are of known sources, and how many lie far."""
    reference = baseline.corpus
    if reference is None or not fresh.any():
        return Profile(baseline.basis)
    named = [s for s, new in zip(map(source_of, corpus.ids), fresh, strict=True) if new and s is not None]
    known = int(np.isin(hash_ids(named), reference.sources).sum()) if named else 0
    looked = far = tight = 0
    if reference.nearness > -1.0 and corpus.vectors.shape[1] == baseline.dimension:
        near, _ = nearest_cells(corpus.vectors[fresh], baseline)
        near = near[np.isfinite(near)]
        looked, far = len(near), int(np.count_nonzero(near < reference.nearness))
        alike = likeness(corpus.vectors[fresh])
        tight = int(alike is not None and alike > reference.tightness)
    return counts_profile(
        baseline.basis,
        corpus__new_sourced=len(named),
        corpus__new_known=known,
        corpus__new_looked=looked,
        corpus__new_far=far,
        corpus__new_tight=tight,
    )


def nearest_cells(vectors: VectorArray, baseline: Baseline) -> tuple[FloatArray, IntArray]:
    """Return each vector's cosine to the nearest cell of the documents' codebook ``(n,)``, and that cell.

    A vector without a direction has the cosine NaN and the cell -1.
    """
    population = baseline.populations.get("corpus")
    near: FloatArray = np.full(len(vectors), np.nan)
    nearest: IntArray = np.full(len(vectors), -1, dtype=np.int64)
    if population is None or not len(vectors):
        return near, nearest
    rows, cells = _unit(vectors), _unit(population.centroids)
    good = np.isfinite(rows).all(axis=1) & rows.any(axis=1)
    cosines = rows[good] @ cells.T
    nearest[good] = cosines.argmax(axis=1)
    near[good] = cosines.max(axis=1)
    return near, nearest


def likeness(vectors: VectorArray) -> float | None:
    """Return the mean cosine between two of the vectors ``(n, d)``; None of fewer than `ALIKE`.

    ``(n |mean|^2 - 1) / (n - 1)`` of unit vectors: the mean over pairs without the pairs of a vector with itself.
    """
    rows = _unit(vectors)
    rows = rows[np.isfinite(rows).all(axis=1) & rows.any(axis=1)]
    n = len(rows)
    if n < ALIKE:
        return None
    return float((n * np.sum(rows.mean(axis=0) ** 2) - 1.0) / (n - 1))


def _unit(vectors: VectorArray) -> FloatArray:
    rows = np.asarray(vectors, dtype=np.float64)
    with np.errstate(all="ignore"):  # what has no direction is left out by whoever asks
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: FloatArray = np.where(lengths > 0, rows / np.where(lengths > 0, lengths, 1.0), 0.0)
    return unit
