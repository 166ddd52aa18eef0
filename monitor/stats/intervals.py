"""Exact intervals for a share that was counted."""

from __future__ import annotations

from scipy import special


def clopper_pearson(count: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a share.

    Parameters
    ----------
    count, of : int
        How often it happened, and how often it could have; ``0 <= count <= of``.
    confidence : float
        Each side leaves out ``(1 - confidence) / 2``.

    Returns
    -------
    tuple of float
        Lower and upper end, both in [0, 1]; (0, 1) when nothing was tried.

    Raises
    ------
    ValueError
        When the counts do not fit or the confidence is not in (0, 1).

    Notes
    -----
    Clopper and Pearson (1934): the lower end is the p at which ``P(X >= count) = (1 - confidence) / 2`` for ``X ~
    Binomial(of, p)``, a quantile of Beta(count, of - count + 1); the upper end likewise of Beta(count + 1, of - count).
    It holds at least its confidence for every p, for independent trials.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 100)
    >>> (low, round(high, 6), round(1 - 0.025 ** (1 / 100), 6))
    (0.0, 0.036217, 0.036217)
    """
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no share")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be in (0, 1), not {confidence}")
    outside = (1.0 - confidence) / 2.0
    low = float(special.betaincinv(count, of - count + 1, outside)) if count else 0.0
    high = float(special.betaincinv(count + 1, of - count, 1.0 - outside)) if count < of else 1.0
    return low, high
