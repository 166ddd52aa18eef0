"""Tail probabilities by other means than the product's: closed forms and finite sums in 60 decimal digits.

Everything but the last returns natural logarithms as floats.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from math import comb

import numpy as np
from scipy import integrate

from monitor.records import FloatArray

DIGITS = 60


def chi2_sf(x: float, dof: int) -> float:
    """Return ``log P(X > x)`` for an even number of degrees of freedom: ``exp(-z) sum_{i < dof/2} z^i / i!``, z = x/2.

    The finite sum is the Poisson law's lower tail (Johnson, Kotz and Balakrishnan 1994, eq. 18.20).
    """
    with localcontext() as context:
        context.prec = DIGITS
        z = Decimal(x) / 2
        term = total = Decimal(1)
        for i in range(1, dof // 2):
            term *= z / i
            total += term
        return float(total.ln() - z)


def f_sf(x: float, dof: int, noise_dof: int) -> float:
    """Return ``log P(X > x)`` of the F law for an even numerator: ``I_w(b, a) = w^b sum_{i < a} (b)_i (1-w)^i / i!``.

    ``a = dof/2``, ``b = noise_dof/2``, ``w = noise_dof / (noise_dof + dof x)`` (DLMF 8.17.24 read for a whole a).
    """
    with localcontext() as context:
        context.prec = DIGITS
        b = Decimal(noise_dof) / 2
        w = Decimal(noise_dof) / (Decimal(noise_dof) + Decimal(dof) * Decimal(x))
        term = total = Decimal(1)
        for i in range(1, dof // 2):
            term *= (b + i - 1) * (1 - w) / i
            total += term
        return float(total.ln() + b * w.ln())


def binomial_sf(successes: int, trials: int, probability: float) -> float:
    """Return ``log P(X >= successes)``, every term from whole numbers and the float as it is."""
    with localcontext() as context:
        context.prec = DIGITS
        p = Decimal(probability)
        terms = (comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(successes, trials + 1))
        return float(sum(terms, Decimal(0)).ln())


def e_value(log_p: float) -> float:
    """Return ``log((1 - p + p ln p) / (p (ln p)^2))``."""
    with localcontext() as context:
        context.prec = DIGITS
        t = Decimal(log_p)
        p = t.exp()
        return float(((1 - p + p * t) / (p * t * t)).ln())


def accumulated(log_evidence: float, log_e: float) -> float:
    """Return ``log((1 + M) e)``."""
    with localcontext() as context:
        context.prec = DIGITS
        return float((1 + Decimal(log_evidence).exp()).ln() + Decimal(log_e))


def weighted_chi2_sf(weights: FloatArray, x: float) -> float:
    """Return ``P(sum_i weights_i Z_i^2 > x)`` of independent normal Z, good to about 1e-9.

    ``1/2 + 1/pi int_0^inf sin(theta(u)) / (u rho(u)) du`` with ``theta = sum atan(w_i u) / 2 - x u / 2`` and
    ``rho = prod (1 + w_i^2 u^2)^(1/4)`` (Imhof 1961, "Computing the distribution of quadratic forms in normal
    variables", eq. 3.2).
    """

    def integrand(u: float) -> float:
        angle = 0.5 * float(np.sum(np.arctan(weights * u))) - 0.5 * x * u
        return math.sin(angle) * math.exp(-0.25 * float(np.sum(np.log1p((weights * u) ** 2)))) / u

    integral = integrate.quad(integrand, 0.0, np.inf, limit=5000, epsabs=1e-12)[0]
    return 0.5 + float(integral) / math.pi
