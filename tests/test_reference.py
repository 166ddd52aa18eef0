from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.errors import BaselineError
from monitor.judge.calibration import LEAST_WINDOWS
from monitor.records import JudgedQuery, Record
from monitor.reference import spread_evenly, take_baseline
from tests.core_fakes import rag, world


def test_everything_that_the_collection_has_is_frozen() -> None:
    taken = rag.quiet_baseline()
    baseline = taken.baseline
    assert (baseline.windows, baseline.records) == (rag.QUIET, rag.QUIET * 150)
    assert baseline.suite is not None
    assert baseline.suite.recall.tolist() == [1.0] * 40
    assert (baseline.suite.k, baseline.suite.depth) == (rag.K, 4 * rag.K)
    assert baseline.corpus is not None
    assert baseline.corpus.size == len(rag.DOCUMENTS)
    assert baseline.canary is not None
    assert baseline.canary.floor == pytest.approx(0.0, abs=1e-7)
    assert set(baseline.dispersion) == {
        "centroid_distance.queries",
        "spatial_kl.queries",
        "score_psi.scores",
        "score_psi.scores_mean",
        "score_psi.scores_margin",
    }


def test_the_same_seed_gives_the_same_baseline() -> None:
    again = take_baseline(rag.Service(rag.quiet_log()).collection(), rag.windows(rag.QUIET))
    assert again.baseline.basis == rag.quiet_baseline().baseline.basis
    assert again.baseline.dispersion == rag.quiet_baseline().baseline.dispersion
    assert again.notes == rag.quiet_baseline().notes


def test_a_short_history_is_noted_and_a_long_one_is_not() -> None:
    assert rag.quiet_baseline().notes == ()
    collection = rag.Service(rag.quiet_log()).collection()
    (note,) = take_baseline(collection, rag.windows(19)).notes
    assert note.startswith("2850 records stand against windows of up to 150")


def test_too_few_windows_to_calibrate_on_are_said_to_be() -> None:
    collection = rag.Service(rag.quiet_log()).collection()
    few = take_baseline(collection, rag.windows(LEAST_WINDOWS - 1))
    assert few.baseline.dispersion == {}
    assert any(
        note.startswith("7 windows cannot tell") and "take a longer span" in note for note in few.notes
    )
    enough = take_baseline(collection, rag.windows(LEAST_WINDOWS))
    assert enough.baseline.dispersion
    assert not any("cannot tell" in note for note in enough.notes)


def test_judged_documents_that_the_index_lacks_are_named() -> None:
    index = rag.documents(rag.DOCUMENTS[14:])
    taken = take_baseline(rag.Service(rag.quiet_log(), index=index).collection(), rag.windows(rag.QUIET))
    assert (
        "the index lacks 2 of 40 judged documents (topic0 document 0, topic0 document 7): they count as missed"
        in taken.notes
    )


def test_a_suite_whose_ids_are_foreign_is_noted_where_the_corpus_is_only_sampled() -> None:
    suite = tuple(replace(q, relevant={f"other/{q.id}": 1}) for q in rag.judged())
    collection = rag.Service(rag.quiet_log()).collection(suite=suite, corpus_sample=200)
    taken = take_baseline(collection, rag.windows(rag.QUIET))
    assert any("do the ids match the index?" in note for note in taken.notes)


def test_broken_document_vectors_are_noted() -> None:
    index = rag.documents()
    vectors = index.vectors.copy()
    vectors[::36] = np.nan
    broken = world.FakeIndex(index.ids, vectors)
    collection = rag.Service(rag.quiet_log(), index=broken).collection(suite=())
    taken = take_baseline(collection, rag.windows(rag.QUIET))
    assert "10 of 360 sampled document vectors hold NaN, Inf or zeros: left out" in taken.notes
    assert taken.baseline.populations["corpus"].n == 350


def test_a_suite_that_nothing_can_embed_is_noted() -> None:
    collection = rag.Service(rag.quiet_log()).collection(live_embedder=None)
    taken = take_baseline(collection, rag.windows(rag.QUIET))
    assert taken.baseline.suite is None
    assert taken.baseline.canary is None
    assert any("the suite was not asked" in note for note in taken.notes)


def test_a_suite_with_vectors_needs_no_embedder() -> None:
    embedder = world.FakeEmbedder()
    suite = tuple(replace(q, vector=embedder.embed([q.text])[0]) for q in rag.judged())
    collection = rag.Service(rag.quiet_log()).collection(live_embedder=None, suite=suite)
    baseline = take_baseline(collection, rag.windows(rag.QUIET)).baseline
    assert baseline.suite is not None
    assert baseline.suite.recall.tolist() == [1.0] * 40


def test_windows_without_a_usable_vector_are_left_out_and_noted() -> None:
    bare = tuple(Record(r.id, r.at, hits=r.hits) for r in rag.ask(3))
    kept = tuple(r for r in rag.quiet_log() if not r.id.startswith(("w3-", "w4-")))
    collection = rag.Service((*kept, *bare)).collection()
    taken = take_baseline(collection, rag.windows(rag.QUIET))
    assert taken.baseline.windows == rag.QUIET - 2
    # The fourth window had nothing in it at all, which is no fault.
    assert "1 of 24 windows have records but no usable query vector: left out" in taken.notes


def test_a_change_of_dimension_within_the_span_is_noted() -> None:
    old = rag.ask(0, logs_vectors=True) + rag.ask(1, logs_vectors=True)
    wide = world.FakeEmbedder(d=32)
    new = rag.ask(2, logs_vectors=True, live=wide, index=rag.documents(embedder=wide))
    taken = take_baseline(rag.Service(tuple(old + new)).collection(), rag.windows(3))
    assert taken.baseline.dimension == world.D
    assert any("150 query vectors have other than 24 dimensions" in note for note in taken.notes)


def test_a_span_without_a_usable_query_is_refused_with_the_mend() -> None:
    with pytest.raises(BaselineError, match=r"'docs': none of the 5 windows.*--start.*driftmon check"):
        take_baseline(rag.Service().collection(), rag.windows(5))


def test_too_few_records_are_refused() -> None:
    with pytest.raises(BaselineError, match="at least 200 usable query vectors, the span has 150"):
        take_baseline(rag.Service(tuple(rag.ask(0))).collection(), rag.windows(5))


def test_progress_is_told_and_ends() -> None:
    told: list[tuple[str, int, int]] = []
    take_baseline(
        rag.Service(rag.quiet_log()).collection(),
        rag.windows(rag.QUIET),
        progress=lambda what, done, of: told.append((what, done, of)),
    )
    steps = list(dict.fromkeys(what for what, _, _ in told))
    assert steps == [
        "reading quiet windows",
        "looking at the index",
        "asking the reference suite",
        "embedding canaries",
        "freezing",
    ]
    for what in steps:
        last = [t for t in told if t[0] == what][-1]
        assert last[1] == last[2]


def test_a_suite_text_is_embedded_as_a_query_of_the_live_endpoint() -> None:
    live = world.FakeEmbedder(turn=world.random_turn())
    index = rag.documents(embedder=live)
    suite = (JudgedQuery("q", "topic0 document 3", {"topic0 document 3": 1}),)
    collection = rag.Service(rag.quiet_log(), index=index, live=live).collection(suite=suite)
    baseline = take_baseline(collection, rag.windows(rag.QUIET)).baseline
    assert baseline.suite is not None
    np.testing.assert_array_equal(baseline.suite.vectors, live.embed(["topic0 document 3"]))
    assert baseline.suite.recall.tolist() == [1.0]


@pytest.mark.parametrize(("count", "most"), [(10, 20), (10, 10), (672, 64), (7, 3), (5, 1)])
def test_windows_are_spread_evenly(count: int, most: int) -> None:
    chosen = spread_evenly(rag.windows(count), most)
    assert len(chosen) == min(count, most)
    assert chosen == sorted(chosen)
    assert chosen[0] == rag.windows(count)[0]
    if most > 1:
        assert chosen[-1] == rag.windows(count)[-1]
