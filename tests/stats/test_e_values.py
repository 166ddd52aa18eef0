from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from monitor.stats.e_values import accumulate, log_e_value, log_threshold


def test_the_expectation_under_a_uniform_p_is_one() -> None:
    # With p = exp(-t): E[e] = integral of e(exp(-t)) exp(-t) dt. The tail beyond T is 1/T up to exp(-T).
    far = 600.0
    body, _ = integrate.quad(lambda t: math.exp(log_e_value(-t) - t), 0.0, 1.0)
    middle, _ = integrate.quad(lambda t: math.exp(log_e_value(-t) - t), 1.0, 40.0)
    tail, _ = integrate.quad(lambda t: math.exp(log_e_value(-t) - t), 40.0, far, limit=200)
    assert body + middle + tail + 1.0 / far == pytest.approx(1.0, abs=1e-6)


@given(st.floats(-1e6, 0.0))
def test_every_p_value_has_a_finite_e_value(log_p: float) -> None:
    log_e = log_e_value(log_p)
    assert math.log(0.5) - 1e-12 <= log_e <= 700.0


@given(st.floats(-1e6, 0.0), st.floats(-1e6, 0.0))
def test_a_smaller_p_never_has_less_evidence(a: float, b: float) -> None:
    smaller, larger = sorted((a, b))
    assert log_e_value(smaller) >= log_e_value(larger) - 1e-7


def test_where_the_formula_changes_nothing_jumps() -> None:
    for switch in (-1e-4, -750.0):
        assert log_e_value(switch * (1 + 1e-9)) == pytest.approx(log_e_value(switch * (1 - 1e-9)), abs=1e-6)


def test_certainty_stays_finite() -> None:
    assert log_e_value(-math.inf) == 700.0


def test_evidence_starts_at_the_first_e_value_and_grows_by_the_recursion() -> None:
    rng = np.random.default_rng(3)
    log_m, m = -math.inf, 0.0
    for log_e in rng.normal(size=50):
        log_m = accumulate(log_m, log_e)
        m = (1.0 + m) * math.exp(log_e)
        assert math.exp(log_m) == pytest.approx(m, rel=1e-12)


@given(st.floats(-1e3, 700.0), st.floats(math.log(0.5), 700.0))
def test_evidence_stays_finite(log_m: float, log_e: float) -> None:
    assert math.isfinite(accumulate(log_m, log_e))
    assert accumulate(log_m, log_e) <= 700.0


def test_no_drift_gathers_no_evidence() -> None:
    # p = 1 for ever: e = 1/2, and M = (1 + M) / 2 tends to 1.
    log_m = -math.inf
    for _ in range(200):
        log_m = accumulate(log_m, log_e_value(0.0))
    assert log_m == pytest.approx(0.0, abs=1e-9)


def test_the_threshold_shares_the_budget() -> None:
    one = log_threshold(1.0, 8640.0, 1)
    assert math.exp(one) == pytest.approx(8640.0)
    assert log_threshold(1.0, 8640.0, 30) == pytest.approx(one + math.log(30))
    assert log_threshold(2.0, 8640.0, 1) == pytest.approx(one - math.log(2))
    assert log_threshold(1.0, 0.5, 0) == 0.0


def test_quiet_streams_keep_the_average_run_length() -> None:
    # 400 streams of 500 uniform p-values against A = 500: on average at most 500/500 crossings a stream.
    rng = np.random.default_rng(11)
    threshold = math.log(500.0)
    crossings = 0
    for stream in np.log(rng.random((400, 500))):
        log_m = -math.inf
        for log_p in stream.tolist():
            log_m = accumulate(log_m, log_e_value(log_p))
            if log_m >= threshold:
                crossings += 1
                log_m = -math.inf
    assert crossings <= 400
