from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor.stats.intervals import clopper_pearson


@pytest.mark.parametrize(
    ("count", "of"), [(0, 1), (1, 1), (0, 47), (3, 47), (46, 47), (5, 8760), (900, 1000)]
)
@pytest.mark.parametrize("confidence", [0.95, 0.995])
def test_each_end_leaves_out_half_of_the_rest(count: int, of: int, confidence: float) -> None:
    low, high = clopper_pearson(count, of, confidence)
    outside = (1 - confidence) / 2
    if count:
        assert stats.binom.sf(count - 1, of, low) == pytest.approx(outside, rel=1e-6)
    else:
        assert low == 0.0
    if count < of:
        assert stats.binom.cdf(count, of, high) == pytest.approx(outside, rel=1e-6)
    else:
        assert high == 1.0


def test_the_same_as_scipys() -> None:
    theirs = stats.binomtest(7, 230).proportion_ci(0.95, method="exact")
    assert clopper_pearson(7, 230) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_it_covers_every_share_at_least_as_often_as_it_says() -> None:
    of = 30
    ends = np.array([clopper_pearson(count, of) for count in range(of + 1)])
    for share in np.linspace(0.001, 0.999, 97):
        inside = (ends[:, 0] <= share) & (share <= ends[:, 1])
        assert stats.binom.pmf(np.flatnonzero(inside), of, share).sum() >= 0.95


def test_nothing_tried_says_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("count", "of", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0), (1, 2, 0.0)]
)
def test_what_is_no_share_is_refused(count: int, of: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"no share|confidence"):
        clopper_pearson(count, of, confidence)
