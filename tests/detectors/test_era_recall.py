from __future__ import annotations

import numpy as np
import pytest

from monitor.detectors.era_recall import EraRecall
from monitor.profile import Profile, counts_profile, merge
from monitor.records import Reading
from tests.core_fakes import world

Q = 40


def measure(*, changed: int = 0, kept: int = 200, **options: float) -> Reading:
    """After growth: plain recall fell to 0.5, over documents of the baseline's era it is 0.9."""
    baseline = world.full_baseline()
    plain, era = np.ones(Q), np.ones(Q)
    plain[:20], era[:4] = 0.0, 0.0
    sums = {
        "suite.recall": plain,
        "suite.era_recall": era,
        "suite.ndcg": plain,
        "suite.reciprocal_rank": plain,
    }
    replay = Profile(baseline.basis, {"suite.replays": np.array([1])}, sums)
    corpus = counts_profile(baseline.basis, corpus__kept=kept, corpus__changed=changed)
    return EraRecall(**options).measure(baseline, merge(replay, corpus))  # type: ignore[arg-type]


def test_newcomers_do_not_count() -> None:
    reading = measure()
    assert reading.value == 0.9
    assert reading.shift == pytest.approx(0.1)


def test_a_loss_is_harm_and_stays_so_while_nothing_is_measured() -> None:
    assert measure().harmful
    nothing = EraRecall().measure(world.full_baseline(), Profile(world.full_baseline().basis))
    assert (nothing.status, nothing.harmful) == ("insufficient", True)


def test_where_vectors_changed_newcomers_cannot_be_told_and_plain_recall_speaks() -> None:
    assert measure(changed=10).value == 0.9
    assert measure(changed=11).value == 0.5
    assert measure(changed=11, standing=0.06).value == 0.9
    assert measure(changed=200).value == 0.5


def test_an_index_that_gives_no_vectors_is_taken_to_stand() -> None:
    assert measure(kept=0).value == 0.9


def test_the_control_is_a_stream_of_its_own() -> None:
    assert EraRecall("index").signal == "index"


@pytest.mark.parametrize("options", [{"effect_floor": 1.0}, {"standing": 1.5}, {"least": 0}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        EraRecall(**options)  # type: ignore[arg-type]
