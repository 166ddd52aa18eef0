from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"threshold": 1.1}, {"least": 0}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        PersistentVectors(**options)  # type: ignore[arg-type]
