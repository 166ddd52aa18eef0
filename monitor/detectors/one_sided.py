"""The p-value of a standardised shift that only counts in one direction."""

from __future__ import annotations

import math

from monitor.baseline.frozen import Dispersion
from monitor.baseline.law import dispersed_log_p

_HALF = math.log(0.5)


def one_sided_log_p(z: float, dispersion: Dispersion | None) -> float:
    """Return the log of ``P(Z >= z)`` for a standard normal Z, or Student's t where quiet history was over-dispersed.

    Examples
    --------
    >>> round(math.exp(one_sided_log_p(1.6448536, None)), 6), round(math.exp(one_sided_log_p(-1.6448536, None)), 6)
    (0.05, 0.95)
    """
    if z <= 0.0:
        return math.log1p(-math.exp(_HALF + dispersed_log_p(z * z, 1.0, dispersion)))
    return _HALF + dispersed_log_p(z * z, 1.0, dispersion)
