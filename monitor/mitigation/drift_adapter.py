"""The Drift-Adapter: a small map that lets a new query model speak to an index that an old model built."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.stats.arrays import FloatArray, VectorArray


@dataclass(frozen=True, slots=True)
class DriftAdapter:
    """A linear map from the new model's space into the old one's.

    Attributes
    ----------
    kind : str
        ``orthogonal`` or ``affine``.
    matrix, offset : FloatArray
        ``(d_new, d_old)`` and ``(d_old,)``.
    pairs : int
        How many paired texts it was fitted on.
    """

    kind: str
    matrix: FloatArray
    offset: FloatArray
    pairs: int

    def apply(self, vectors: VectorArray) -> VectorArray:
        """Return ``vectors`` ``(n, d_new)`` mapped to ``(n, d_old)`` unit vectors, float32; zero stays zero."""
        return unit_rows(unit_rows(vectors) @ self.matrix + self.offset).astype(np.float32)


def fit_orthogonal(new: VectorArray, old: VectorArray) -> DriftAdapter:
    """Return the orthogonal map ``R`` that minimises ``||new R - old||_F`` over paired texts.

    Parameters
    ----------
    new, old : VectorArray
        ``(n, d_new)`` and ``(n, d_old)``: the same n texts under both models, in the same order.

    Raises
    ------
    ValueError
        When the two differ in rows, there are fewer than two pairs, or a vector is not finite.

    Notes
    -----
    ``R = U V^T`` with ``U S V^T = svd(new^T old)`` (Schönemann 1966): the orthogonal Procrustes variant of the
    Drift-Adapter (arXiv 2509.23471). Rows are normalised first, since retrieval by cosine sees directions only. It
    turns the space and cannot stretch it, so it mends a model of about the same spread, from few pairs.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> old = rng.normal(size=(50, 4))
    >>> turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    >>> adapter = fit_orthogonal(old @ turn.T, old)
    >>> bool(np.abs(adapter.apply(old @ turn.T) - unit_rows(old)).max() < 1e-6)
    True
    """
    a, b = _paired(new, old)
    u, _, vt = np.linalg.svd(a.T @ b, full_matrices=False)
    return DriftAdapter("orthogonal", u @ vt, np.zeros(b.shape[1]), len(a))


def fit_affine(new: VectorArray, old: VectorArray, ridge: float = 1e-6) -> DriftAdapter:
    """Return the affine map that minimises ``||new A + t - old||^2`` plus a ridge penalty on ``A``.

    Parameters
    ----------
    new, old : VectorArray
        ``(n, d_new)`` and ``(n, d_old)``: the same n texts under both models, in the same order.
    ridge : float
        Penalty per pair, in units of squared norm; > 0.

    Raises
    ------
    ValueError
        When the two differ in rows, there are fewer than two pairs, a vector is not finite, or ``ridge`` is not
        positive.

    Notes
    -----
    The affine variant of the Drift-Adapter (arXiv 2509.23471) at full rank, solved as ridge regression on centred rows
    (Hoerl and Kennard 1970). It can stretch what a fine-tune squeezed together, and wants more pairs for it.

    Examples
    --------
    >>> old = np.random.default_rng(0).normal(size=(50, 4))
    >>> squeezed = unit_rows(old) * [1.0, 0.1, 0.1, 0.1] + [2.0, 0.0, 0.0, 0.0]
    >>> adapter = fit_affine(squeezed, old)
    >>> adapter.kind, adapter.pairs
    ('affine', 50)
    """
    if ridge <= 0:
        raise ValueError(f"ridge must be above 0, not {ridge}")
    a, b = _paired(new, old)
    centre, target = a.mean(axis=0), b.mean(axis=0)
    x, y = a - centre, b - target
    penalty = ridge * len(a) * np.eye(x.shape[1])
    matrix = np.linalg.solve(x.T @ x + penalty, x.T @ y)
    return DriftAdapter("affine", matrix, target - centre @ matrix, len(a))


def unit_rows(rows: VectorArray | FloatArray) -> FloatArray:
    """Return the rows at unit length, float64; zero rows stay zero."""
    wide = np.asarray(rows, dtype=np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    units: FloatArray = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 1e-12)
    return units


def _paired(new: VectorArray, old: VectorArray) -> tuple[FloatArray, FloatArray]:
    if len(new) != len(old) or len(new) < 2:
        raise ValueError(
            f"paired vectors are needed, at least two: {len(new)} new and {len(old)} old were given"
        )
    if not (np.isfinite(new).all() and np.isfinite(old).all()):
        raise ValueError("paired vectors hold NaN or Inf: leave those texts out on both sides")
    return unit_rows(new), unit_rows(old)
