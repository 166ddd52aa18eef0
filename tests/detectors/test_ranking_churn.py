from __future__ import annotations

import numpy as np
import pytest

from monitor.detectors.ranking_churn import RankingChurn
from monitor.judge.evidence import update_evidence
from monitor.profile import Profile
from tests.core_fakes import world


@pytest.mark.parametrize("signal", ["suite", "index"])
def test_churn_is_what_overlap_is_missing(signal: str) -> None:
    baseline = world.full_baseline()
    profile = Profile(
        baseline.basis,
        {f"{signal}.replays": np.array([2])},
        {f"{signal}.rbo": np.full(40, 1.5), f"{signal}.jaccard": np.full(40, 1.2)},
    )
    reading = RankingChurn(signal).measure(baseline, profile)  # type: ignore[arg-type]
    assert reading.value == pytest.approx(0.25)
    assert reading.detail == pytest.approx({"rbo": 0.75, "jaccard_at_k": 0.6})
    assert reading.n == 40


def test_it_informs_and_never_fires() -> None:
    baseline = world.full_baseline()
    sums = {"suite.rbo": np.zeros(40), "suite.jaccard": np.zeros(40)}
    reading = RankingChurn().measure(
        baseline, Profile(baseline.basis, {"suite.replays": np.array([1])}, sums)
    )
    assert reading.value == 1.0
    assert update_evidence((), [reading], threshold=0.0) == ()
