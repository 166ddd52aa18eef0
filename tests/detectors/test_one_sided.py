from __future__ import annotations

import pytest
from scipy import stats

from monitor.baseline import Dispersion
from monitor.detectors.one_sided import one_sided_log_p


@pytest.mark.parametrize("z", [-40.0, -2.0, -0.1, 0.0, 0.1, 2.0, 10.0, 40.0])
def test_it_is_the_normal_tail(z: float) -> None:
    assert one_sided_log_p(z, None) == pytest.approx(float(stats.norm.logsf(z)), rel=1e-9, abs=1e-12)


def test_over_dispersion_makes_it_students_t() -> None:
    expected = stats.t.logsf(3.0 / 2.0, 30)
    assert one_sided_log_p(3.0, Dispersion(4.0, 1.0, 30)) == pytest.approx(float(expected), rel=1e-9)
