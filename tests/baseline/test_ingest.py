from __future__ import annotations

from dataclasses import replace

from monitor.baseline.ingest import profile_ingest, skip_ingest, watch_ingest
from monitor.profile import Profile, counts_profile
from monitor.records import Ingest
from tests.core_fakes import world


def look(size: int, new: int = 0) -> Profile:
    return counts_profile("basis", corpus__looked=1, corpus__size=size, corpus__new=new)


def watch(sizes: list[int]) -> Ingest:
    known = None
    for number, size in enumerate(sizes):
        known = watch_ingest(known, world.span(number), look(size))
    assert known is not None
    return known


def test_gaps_lie_between_arrivals() -> None:
    known = watch([10, 10, 11, 12, 12, 12, 15])
    # The way to the first arrival is no gap; then come one of a window and one of three.
    assert (known.gaps, known.longest) == (2, 3 * 900.0)
    assert known.newest == world.span(6).end
    assert known.since == world.span(0).end


def test_a_corpus_that_stands_has_no_gap() -> None:
    assert watch([10] * 50).gaps == 0
    assert watch([10, 9, 8, 7]).gaps == 0


def test_documents_that_replace_others_arrive_too() -> None:
    before = watch([10, 11])
    after = watch_ingest(before, world.span(2), look(11, new=3))
    assert after is not None
    assert after.gaps == 1


def test_a_window_that_did_not_look_changes_nothing() -> None:
    before = watch([10, 11])
    assert watch_ingest(before, world.span(2), Profile("basis")) is before
    assert watch_ingest(None, world.span(2), Profile("basis")) is None


def test_windows_made_up_late_are_no_silence() -> None:
    """Ten hours of windows walked in a minute see one index: the time between them is not the index'."""
    before = watch([10, 11, 12])
    later = skip_ingest(before, world.span(40))
    assert later == replace(before, newest=world.span(40).end)
    assert profile_ingest("basis", later, world.span(41)).count("ingest.silent") == 900
    assert skip_ingest(None, world.span(40)) is None
    assert skip_ingest(later, world.span(3)) == later


def test_the_silence_is_measured_at_the_windows_end() -> None:
    profile = profile_ingest("basis", watch([10, 11, 12]), world.span(10))
    assert profile.count("ingest.silent") == 8 * 900
    assert profile.count("ingest.watched") == 10 * 900
    assert profile_ingest("basis", None, world.span(10)).counts == {}
