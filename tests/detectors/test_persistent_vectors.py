from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.detectors.persistent_vectors import PersistentVectors
from monitor.profile import Profile, counts_profile, merge
from monitor.records import Reading
from tests.core_fakes import world


def look(**counts: int) -> Profile:
    given = {f"corpus__{name}": value for name, value in counts.items()}
    return counts_profile(world.full_baseline().basis, corpus__looked=1, **given)


def measure(profile: Profile, threshold: float = 0.05) -> Reading:
    return PersistentVectors(threshold).measure(world.full_baseline(), profile)


def test_the_share_of_changed_vectors() -> None:
    reading = measure(look(kept=200, changed=50, sampled=400, new=40, gone=20, size=440))
    assert (reading.value, reading.n, reading.status) == (0.25, 200, "ok")
    assert reading.shift >= (reading.threshold or 1.0)
    assert reading.detail == {
        "log_p_moved_together": 0.0,
        "common_step": 1.0,
        "new_share": 0.1,
        "gone_share": 0.05,
        "documents": 440.0,
        "documents_baseline": 400.0,
    }


def test_ordinary_editing_stays_below() -> None:
    edited = look(kept=200, changed=9)
    assert measure(edited).shift < 0.05 == measure(edited).threshold
    assert measure(edited, threshold=0.04).shift > 0.04 == measure(edited, threshold=0.04).threshold


def test_looks_are_averaged() -> None:
    profile = look(kept=200, changed=50, sampled=400, new=40, gone=20, size=440)
    once, twice = measure(profile), measure(merge(profile, profile))
    assert twice.value == once.value
    assert twice.detail == once.detail


def test_too_few_documents_found_again_are_insufficient() -> None:
    assert measure(look(kept=19, changed=19)).status == "insufficient"
    assert measure(look(kept=20, changed=20)).value == 1.0
    assert measure(look(kept=0)).status == "insufficient"


def moved(steps: NDArray[Any], kept: int = 200) -> Reading:
    """The look at documents of which some moved by these steps ``(m, d)``."""
    baseline = world.full_baseline()
    spread = replace(baseline.populations["corpus"], spread=0.64, effective_dimensions=float(world.D))
    baseline = replace(baseline, populations={**baseline.populations, "corpus": spread})
    profile = look(kept=kept, changed=len(steps))
    return PersistentVectors().measure(
        baseline, merge(profile, Profile(baseline.basis, {}, {"corpus.moved": steps.sum(axis=0)}))
    )


def test_a_twentieth_by_another_model_fires_and_as_many_edits_do_not() -> None:
    """Of a population with a mean, another model's vectors have another one: measured over seeded runs."""
    rng = np.random.default_rng(5)
    mean = 0.6 * world.centres()[0]
    foreign_mean = 0.6 * world.centres()[1]
    found, false = [], []
    for _ in range(200):
        n = int(rng.binomial(200, 0.05))
        old, other = (mean + world.unit(rng.normal(size=(n, world.D))) * 0.8 for _ in range(2))
        foreign = foreign_mean + world.unit(rng.normal(size=(n, world.D))) * 0.8
        found.append(moved(foreign - old).shift >= 0.05)
        n = int(rng.integers(2, 30))
        old, other = (mean + world.unit(rng.normal(size=(n, world.D))) * 0.8 for _ in range(2))
        false.append(moved(other - old).shift >= 0.05)
    assert np.mean(found) >= 0.95
    assert np.mean(false) <= 0.01


def test_many_changes_are_no_editing_however_they_moved() -> None:
    rng = np.random.default_rng(6)
    steps = 0.05 * world.unit(rng.normal(size=(60, world.D)))
    assert moved(steps).shift >= 0.05
    assert moved(steps[:30]).shift < 0.05


def test_merged_looks_at_the_same_pairs_are_no_more_evidence() -> None:
    baseline = world.full_baseline()
    steps = np.full(world.D, 0.4)
    once = merge(look(kept=200, changed=4), Profile(baseline.basis, {}, {"corpus.moved": steps}))
    single, double = (
        PersistentVectors().measure(baseline, p).detail["log_p_moved_together"]
        for p in (once, merge(once, once))
    )
    assert single == pytest.approx(double)


@pytest.mark.parametrize(
    "options", [{"threshold": 0.0}, {"threshold": 1.1}, {"least": 0}, {"edited": 0.0}, {"foreign": 1.5}]
)
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        PersistentVectors(**options)  # type: ignore[arg-type]
