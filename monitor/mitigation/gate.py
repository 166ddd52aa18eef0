"""The gate of the Drift-Adapter: an adapter is offered only for what it recovers on texts that it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from monitor.mitigation.drift_adapter import DriftAdapter, fit_affine, fit_orthogonal
from monitor.stats.arrays import FloatArray, IntArray, VectorArray
from monitor.stats.exact_search import exact_top_k

Fit = Callable[[VectorArray, VectorArray], DriftAdapter]
VARIANTS: tuple[tuple[str, Fit], ...] = (("orthogonal", fit_orthogonal), ("affine", fit_affine))


@dataclass(frozen=True, slots=True)
class Offer:
    """The adapter that did best on held-out texts, and how each variant did.

    ``agreement`` gives per variant the mean share of the old model's k answers that come back when held-out
    texts are asked with mapped new vectors; ``unmapped`` is the same without any adapter.
    """

    adapter: DriftAdapter
    agreement: dict[str, float]
    unmapped: float
    k: int


def offer_adapter(
    new: VectorArray, old: VectorArray, corpus: VectorArray, *, seed: int, k: int = 10, held_out: float = 0.2
) -> Offer:
    """Fit every variant on a part of the paired texts, try each on the rest, and return the best, fitted on all.

    Parameters
    ----------
    new, old : VectorArray
        ``(n, d_new)`` and ``(n, d_old)``, the same n texts under both models; at least 10.
    corpus : VectorArray
        ``(m, d_old)`` vectors of the index (a sample will do) that the held-out texts are asked against.
    held_out : float
        Share of the pairs that decides, in (0, 1).

    Raises
    ------
    ValueError
        When the pairs are too few, do not match or are not finite, or ``held_out`` is out of range.

    Notes
    -----
    Of two variants within one standard error the orthogonal one is taken: it has nothing to over-fit with.
    """
    if len(new) != len(old) or len(new) < 10:
        raise ValueError(f"at least 10 paired texts are needed: {len(new)} new and {len(old)} old were given")
    if not 0.0 < held_out < 1.0:
        raise ValueError(f"held_out must be in (0, 1), not {held_out}")
    order = np.random.default_rng(seed).permutation(len(new))
    cut = min(len(new) - 2, max(2, int(len(new) * held_out)))
    test, train = order[:cut], order[cut:]
    wanted = _answers(corpus, old[test], k)
    shares = {
        name: _agreement(_answers(corpus, fit(new[train], old[train]).apply(new[test]), k), wanted)
        for name, fit in VARIANTS
    }
    unmapped = (
        _agreement(_answers(corpus, new[test], k), wanted) if new.shape[1] == old.shape[1] else np.zeros(1)
    )
    best, best_fit = VARIANTS[0]
    for name, fit in VARIANTS[1:]:
        gain = shares[name] - shares[best]
        if gain.mean() > gain.std() / cut**0.5:
            best, best_fit = name, fit
    agreement = {name: float(share.mean()) for name, share in shares.items()}
    return Offer(best_fit(new, old), agreement, float(unmapped.mean()), k)


def _answers(corpus: VectorArray, vectors: VectorArray, k: int) -> IntArray:
    indices, _ = exact_top_k(corpus, vectors, min(k, len(corpus)), "cosine")
    return indices


def _agreement(answers: IntArray, wanted: IntArray) -> FloatArray:
    """Return per row the share of ``wanted`` that is among ``answers``; both ``(n, k)``."""
    shared = (answers[:, :, None] == wanted[:, None, :]).any(axis=1)
    shares: FloatArray = shared.mean(axis=1)
    return shares
