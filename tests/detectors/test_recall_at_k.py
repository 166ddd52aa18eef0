from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.detectors.recall_at_k import RecallAtK
from monitor.profile import Profile, merge
from monitor.records import Reading
from monitor.stats.null_laws import log_paired_loss
from tests.core_fakes import world

Q = 40


def replayed(lost: int, signal: str = "suite") -> Profile:
    """A replay in which the first ``lost`` queries miss their document; the baseline found all."""
    recall = np.ones(Q)
    recall[:lost] = 0.0
    names = ("recall", "ndcg", "reciprocal_rank")
    return Profile(
        world.full_baseline().basis,
        {f"{signal}.replays": np.array([1])},
        {f"{signal}.{name}": recall.copy() for name in names},
    )


def measure(profile: Profile, **options: float) -> Reading:
    return RecallAtK(**options).measure(world.full_baseline(), profile)  # type: ignore[arg-type]


def test_recall_is_compared_query_by_query() -> None:
    reading = measure(replayed(8))
    assert reading.value == 0.8
    assert reading.shift == pytest.approx(0.2)
    assert reading.n == Q
    after = np.ones(Q)
    after[:8] = 0.0
    assert reading.log_p == log_paired_loss(np.ones(Q), after) == pytest.approx(8 * math.log(0.5))
    assert reading.detail["baseline"] == 1.0
    assert reading.detail["k"] == 5.0
    assert reading.detail["ndcg_at_k"] == reading.detail["mrr"] == 0.8


def test_no_loss_is_no_evidence() -> None:
    reading = measure(replayed(0))
    assert reading.log_p == reading.shift == 0.0


def test_growth_alone_may_lower_it_so_it_is_no_harm_by_itself() -> None:
    assert not measure(replayed(20)).harmful


def test_several_replays_are_averaged() -> None:
    twice = measure(merge(replayed(8), replayed(8)))
    assert twice == measure(replayed(8))
    assert measure(merge(replayed(0), replayed(8))).value == 0.9


def test_signals_do_not_mix() -> None:
    baseline = world.full_baseline()
    assert RecallAtK("index").measure(baseline, replayed(8)).status == "insufficient"
    assert RecallAtK("index").measure(baseline, replayed(8, "index")).value == 0.8


def test_a_small_suite_is_insufficient() -> None:
    assert measure(replayed(8), least=Q).status == "ok"
    assert measure(replayed(8), least=Q + 1).status == "insufficient"


@pytest.mark.parametrize("options", [{"effect_floor": 1.0}, {"least": 0}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        RecallAtK(**options)  # type: ignore[arg-type]
