from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from monitor.records import Evidence, Ingest, Reading
from monitor.store import Store

if TYPE_CHECKING:
    from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)
TABLES = ("profiles", "readings", "streams", "evidence", "incidents", "outbox")


def test_a_collection_starts_from_nothing(store: Store) -> None:
    state = store.state("docs")
    assert state.evidence == ()
    assert state.corpus_seen is None


def test_evidence_is_replaced_window_by_window(store: Store, docs: Docs) -> None:
    docs.plan(2)
    docs.work()
    after = (Evidence("spatial_kl", "queries", 3.5, firing=True, calm=2),)
    docs.work(evidence=after, corpus_seen=np.array([9], dtype=np.uint64))
    state = store.state("docs")
    assert state.evidence == after
    assert state.corpus_seen is not None
    assert state.corpus_seen.tolist() == [9]


def test_minus_infinity_is_evidence_of_nothing_and_comes_back(store: Store, docs: Docs) -> None:
    docs.plan(1)
    docs.work(evidence=(Evidence("canary", "canary"),))
    assert store.state("docs").evidence == (Evidence("canary", "canary"),)


def test_an_outcome_without_evidence_leaves_the_state(store: Store, docs: Docs) -> None:
    docs.plan(2)
    docs.work()
    before = store.state("docs").evidence
    docs.work(evidence=None, corpus_seen=None)
    assert store.state("docs").evidence == before


def test_what_a_reading_is_held_against_follows_its_stream(store: Store, docs: Docs) -> None:
    docs.plan(2)
    docs.work(readings=(Reading("canary", "canary", 0.0, 64, threshold=1e-4, harmful=True),))
    now = Reading("canary", "canary", 0.0, 64, threshold=3e-4, effect_floor=1e-5)
    docs.work(readings=(now,))
    assert store.statuses(["docs"])[0].readings == (now,)
    assert docs.query("SELECT count(*) FROM streams WHERE detector = 'canary'") == [1]


def test_a_stream_that_is_no_longer_carried_does_not_fire_for_ever(store: Store, docs: Docs) -> None:
    docs.plan(2)
    docs.work(**docs.drift("retired.queries"))
    docs.work(evidence=())
    assert store.state("docs").evidence == ()
    assert store.statuses(["docs"])[0].incidents == ()


def test_evidence_is_per_collection(store: Store, docs: Docs) -> None:
    for name in ("docs", "other"):
        docs.plan(1, name)
        claimed = docs.claim(name)
        store.commit(claimed, docs.outcome(claimed, evidence=(Evidence(name, "queries", 1.0),)))
    assert [e.detector for e in store.state("other").evidence] == ["other"]
    assert [e.detector for e in store.state("docs").evidence] == ["docs"]


def test_when_documents_arrived_is_carried_on(store: Store, docs: Docs) -> None:
    docs.plan(3)
    assert store.state("docs").ingest is None
    seen = Ingest(since=NOON, newest=NOON + HOUR, size=10**12, new=3, gaps=40, longest=7200.5)
    docs.work(ingest=seen)
    assert store.state("docs").ingest == seen
    docs.work(ingest=None)  # a window that did not look leaves it as it is
    assert store.state("docs").ingest == seen
