from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.detectors.foreign_vectors import ForeignVectors
from monitor.profile import counts_profile
from monitor.records import Reading
from tests.core_fakes import world

AGREED = {"corpus.reembedded": 32, "corpus.disagree": 0}


def measure(before: dict[str, int], **counts: int) -> Reading:
    baseline = replace(world.full_baseline(), ordinary=before)
    given = {f"corpus__{name}": value for name, value in counts.items()}
    return ForeignVectors().measure(baseline, counts_profile(baseline.basis, **given))


def test_new_documents_that_disagree_with_their_texts_are_foreign() -> None:
    reading = measure(AGREED, reembedded=32, disagree=30, new_looked=90, new_far=0)
    assert reading.detail["told_by"] == "texts"
    assert reading.shift >= (reading.threshold or 9.0)
    assert measure(AGREED, reembedded=32, disagree=0, new_looked=90, new_far=90).shift == 0.0


def test_texts_that_never_agreed_tell_nothing_and_places_speak() -> None:
    """Passages with a prefix that nobody told us of, say."""
    never = {"corpus.reembedded": 32, "corpus.disagree": 32}
    reading = measure(never, reembedded=32, disagree=32, new_looked=90, new_far=2)
    assert (reading.detail["told_by"], reading.shift) == ("place", 0.0)


def test_documents_far_from_every_region_are_foreign() -> None:
    assert measure({}, new_looked=90, new_far=80).shift >= 0.3
    # A new topic has a few that lie farther than any did.
    assert measure({}, new_looked=90, new_far=8).shift < 0.3
    assert measure({}, new_looked=3, new_far=2).shift == 0.0


def test_newcomers_more_alike_than_any_are_told_of() -> None:
    assert measure({}, new_looked=90, new_tight=1).detail["tight"] == 1.0
    assert measure({}, new_looked=90).detail["tight"] == 0.0


def test_two_new_documents_are_too_few() -> None:
    assert measure({}, new_looked=2, new_far=2).status == "insufficient"


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"least": 0}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ForeignVectors(**options)
