"""What an edge handed over, looked at before it is believed: whoever wrote the plug-in, the core gets sound arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.errors import EdgeError
from monitor.protocols import Embedder, Index, TextKind
from monitor.records import CorpusSample, Ranking, VectorArray

_LARGEST_COUNT = 2**62


def embed(embedder: Embedder, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
    """Return ``(len(texts), d)`` float32; raises `EdgeError` where the embedder gives anything else."""
    return _rows(embedder.embed(texts, kind), len(texts), "the embedder", "text")


def search(index: Index, vectors: VectorArray, k: int) -> Ranking:
    """Return at most ``k`` hits per vector with a score each; raises `EdgeError` where ids and scores do not fit.

    A hit whose score is NaN could not be compared: it is no answer.
    """
    name = "the index"
    ranking = index.search(vectors, k)
    ids, scores = getattr(ranking, "ids", None), getattr(ranking, "scores", None)
    if not isinstance(ids, Sequence) or len(ids) != len(vectors):
        raise _refusal(name, f"answered {_size(ids)} of {len(vectors)} queries")
    table = _rows(scores, len(vectors), name, "query")
    if any(len(row) > table.shape[1] for row in ids):
        raise _refusal(name, f"gave {table.shape[1]} scores for {max(map(len, ids))} hits")
    if not all(isinstance(identifier, str) for row in ids for identifier in row):
        raise _refusal(name, "gave ids that are no text")
    table, ids = table[:, :k], [row[:k] for row in ids]
    if not any(np.isnan(table[i, : len(row)]).any() for i, row in enumerate(ids)):
        return Ranking(ids, table)
    return _without_nan(ids, table)


def sample(index: Index, n: int) -> CorpusSample:
    """Return the index's sample of its corpus; raises `EdgeError` where ids, vectors and size do not fit."""
    name = "the index"
    corpus = index.sample(n)
    ids, size = getattr(corpus, "ids", None), getattr(corpus, "size", None)
    if not isinstance(ids, Sequence) or not all(isinstance(identifier, str) for identifier in ids):
        raise _refusal(name, "gave ids that are no text")
    if not isinstance(size, int | np.integer) or not 0 <= size < _LARGEST_COUNT:
        raise _refusal(name, f"says that it holds {size!r:.40} documents")
    # Who has no document has no dimension either.
    vectors = _rows(corpus.vectors, len(ids), name, "document") if ids else np.zeros((0, 0), np.float32)
    texts = getattr(corpus, "texts", None)
    if texts is not None and (
        not isinstance(texts, Sequence)
        or len(texts) != len(ids)
        or not all(isinstance(text, str) for text in texts)
    ):
        raise _refusal(name, "gave texts that are not one text per document")
    return CorpusSample(
        tuple(ids), vectors, max(int(size), len(ids)), None if texts is None else tuple(texts)
    )


def _rows(value: Any, n: int, name: str, of: str) -> VectorArray:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:  # lists of different lengths
        raise _refusal(name, f"gave rows of different lengths, not one per {of}") from error
    if array.dtype.kind not in "fiu":
        raise _refusal(name, f"gave {array.dtype.name} where numbers are expected")
    if array.ndim != 2 or len(array) != n:
        raise _refusal(name, f"gave an array of shape {array.shape} where one row per {of} ({n}) is expected")
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is counted as such
        return array.astype(np.float32)


def _without_nan(ids: Sequence[Sequence[str]], scores: VectorArray) -> Ranking:
    kept_ids: list[list[str]] = []
    kept = np.full_like(scores, np.nan)
    for i, row in enumerate(ids):
        places = np.flatnonzero(~np.isnan(scores[i, : len(row)])).tolist()
        kept[i, : len(places)] = scores[i, places]
        kept_ids.append([row[place] for place in places])
    return Ranking(kept_ids, kept)


def _refusal(name: str, what: str) -> EdgeError:
    return EdgeError(f"{name} {what}; see monitor/protocols.py for what it must return, and mend the plug-in")


def _size(value: object) -> object:
    return len(value) if isinstance(value, Sequence) else type(value).__name__
