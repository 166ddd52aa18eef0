from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Baseline
from monitor.detectors.corpus_turnover import CorpusTurnover
from monitor.profile import counts_profile, merge
from monitor.records import Reading
from tests.core_fakes import world


def sourced(*, size: int = 400, overlap: float = 0.0) -> Baseline:
    """A baseline whose 400 sampled ids name sources."""
    baseline = world.full_baseline()
    assert baseline.corpus is not None
    sources = np.arange(9, dtype=np.uint64)
    corpus = replace(baseline.corpus, sources=sources, size=size, source_overlap=overlap)
    return replace(baseline, corpus=corpus)


def measure(looks: int = 1, **counts: int) -> Reading:
    return measure_against(world.full_baseline(), looks, counts)


def measure_against(baseline: Baseline, looks: int, counts: dict[str, int]) -> Reading:
    given = {f"corpus__{name}": value for name, value in counts.items()}
    profile = counts_profile(baseline.basis, corpus__looked=1, **given)
    for _ in range(looks - 1):
        profile = merge(profile, counts_profile(baseline.basis, corpus__looked=1, **given))
    return CorpusTurnover().measure(baseline, profile)


@pytest.mark.parametrize("looks", [1, 3])
def test_the_larger_of_what_is_new_and_what_is_gone(looks: int) -> None:
    grown = measure(looks=looks, sampled=500, new=100, gone=20, size=500)
    assert (grown.value, grown.shift >= 0.2) == (0.2, True)
    assert grown.detail["gone_share"] == pytest.approx(0.05)
    shrunk = measure(looks=looks, sampled=300, new=0, gone=100, size=300)
    assert shrunk.value == 0.25


def test_ordinary_growth_stays_below() -> None:
    assert measure(sampled=440, new=40, size=440).shift < 0.2


def test_a_net_loss_counts_sooner() -> None:
    assert measure(sampled=350, gone=50).shift >= 0.2
    assert measure(sampled=370, gone=30).shift < 0.2
    # As many came: documents were exchanged, or cut anew.
    assert measure(sampled=400, new=50, gone=50).shift < 0.2


def test_an_empty_index_has_lost_everything() -> None:
    reading = measure(sampled=0, gone=400)
    assert (reading.status, reading.value) == ("ok", 1.0)


def test_sources_are_kept_where_ids_turned_over() -> None:
    counts = {"sampled": 400, "new": 200, "gone": 200, "new_sourced": 200}
    assert measure_against(sourced(), 1, {**counts, "new_known": 190}).detail[
        "sources_kept"
    ] == pytest.approx(0.95)
    assert measure_against(sourced(), 1, {**counts, "new_known": 0}).detail["sources_kept"] == 0.0


def test_a_sample_shows_fewer_of_the_sources_and_that_is_allowed_for() -> None:
    counts = {"sampled": 400, "new": 200, "gone": 200, "new_sourced": 200}
    # One in ten documents is sampled and 30% of those have a sibling in the sample: 37% of kept sources are known.
    part = sourced(size=4000, overlap=0.3)
    assert measure_against(part, 1, {**counts, "new_known": 74}).detail["sources_kept"] == pytest.approx(1.0)


def test_ids_that_name_no_source_say_so() -> None:
    counts = {"sampled": 400, "new": 200, "gone": 200}
    assert (
        measure_against(sourced(), 1, {**counts, "new_sourced": 20, "new_known": 20}).detail["sources_kept"]
        == -1.0
    )
    assert measure(**counts, new_sourced=200, new_known=200).detail["sources_kept"] == -1.0


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"threshold": 1.1}, {"lost": 0.0}, {"least": 0}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        CorpusTurnover(**options)  # type: ignore[arg-type]
