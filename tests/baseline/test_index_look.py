from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline.index_look import (
    profile_index_recall,
    profile_reembedded,
    profile_reported_scores,
    profile_self_search,
    similarities,
    usable_texts,
)
from monitor.records import CorpusSample, Metric, Ranking, Sample, VectorArray
from monitor.stats.exact_search import exact_top_k
from monitor.stats.sampling import bottom_k
from tests.core_fakes import world

BASELINE = world.full_baseline()
CORPUS = world.make_corpus()


def asked(lost: tuple[int, ...] = (), sample: int = 400) -> tuple[int, int, float]:
    """Asked and found when the index does not reach some documents, and the judged ones that it lost."""
    assert BASELINE.suite is not None
    kept = np.setdiff1d(np.arange(400), lost)
    index = world.FakeIndex([CORPUS.ids[i] for i in kept], CORPUS.vectors[kept])
    chosen = bottom_k(CORPUS.ids, sample)
    look = CorpusSample(tuple(CORPUS.ids[i] for i in chosen), CORPUS.vectors[chosen], 400)
    answer = index.search(BASELINE.suite.vectors, BASELINE.suite.depth)
    profile = profile_index_recall(BASELINE, look, answer)
    lost_share = float(profile.sums["index.ann_loss"].mean())
    return profile.count("index.asked"), profile.count("index.found"), lost_share


@pytest.mark.parametrize("sample", [400, 60])
def test_an_exact_index_finds_all_that_is_near(sample: int) -> None:
    count, found, lost = asked(sample=sample)
    assert count == found > 100
    assert lost == 0.0


def test_what_an_index_does_not_reach_is_missed() -> None:
    count, found, lost = asked(tuple(range(0, 400, 4)))
    assert 0.65 < found / count < 0.85  # a quarter is out of reach
    assert lost == pytest.approx(10 / 40)  # and a quarter of the judged documents with it


def test_a_judged_document_beyond_the_answer_is_no_loss_of_the_index() -> None:
    """It is not found because others are nearer, and exact search would not find it either."""
    assert BASELINE.suite is not None
    far = CORPUS.ids[int(np.argmin(CORPUS.vectors @ BASELINE.suite.vectors[0]))]
    relevant = ({far: 1}, *BASELINE.suite.relevant[1:])
    baseline = replace(BASELINE, suite=replace(BASELINE.suite, relevant=relevant))
    answer = world.FakeIndex(CORPUS.ids, CORPUS.vectors).search(BASELINE.suite.vectors, 20)
    assert profile_index_recall(baseline, CORPUS, answer).sums["index.ann_loss"][0] == 0.0


def test_an_index_of_another_dimension_tells_nothing() -> None:
    narrow = replace(CORPUS, vectors=CORPUS.vectors[:, :8])
    assert (
        profile_index_recall(BASELINE, narrow, Ranking([[]] * 40, np.zeros((40, 0), dtype=np.float32))).counts
        == {}
    )


def test_documents_are_found_by_their_own_vectors() -> None:
    answer = Ranking([["a", "b"], ["a"], []], np.zeros((3, 2), dtype=np.float32))
    profile = profile_self_search(BASELINE, ("a", "b", "c"), answer)
    assert (profile.count("index.asked"), profile.count("index.found")) == (3, 1)


def reported(
    *, factor: float = 1.0, digits: int = 9, metric: Metric = "cosine", distance: bool = False
) -> tuple[int, int]:
    vectors = world.draw(np.random.default_rng(3), 50)
    rows, scores = exact_top_k(CORPUS.vectors, vectors, 5, metric)
    said = scores.astype(np.float64)
    if distance:
        said = 1.0 - said if metric == "cosine" else -said
    records = tuple(
        replace(
            record,
            hits=tuple(CORPUS.ids[i] for i in rows[n]),
            scores=tuple(float(round(s * factor, digits)) for s in said[n]),
        )
        for n, record in enumerate(world.make_records(np.random.default_rng(4), vectors, "r"))
    )
    baseline = replace(BASELINE, metric=metric, direction="distance" if distance else "similarity")
    ids = tuple(r.id for r in records)
    profile = profile_reported_scores(baseline, Sample(records, 50), ids, vectors, CORPUS)
    return profile.count("scores.compared"), profile.count("scores.disagree")


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("distance", [False, True])
def test_scores_follow_from_question_and_document(metric: Metric, distance: bool) -> None:
    compared, disagree = reported(metric=metric, distance=distance, digits=3)
    assert compared == 150  # three of each answer
    assert disagree == 0


def test_another_scale_disagrees() -> None:
    compared, disagree = reported(factor=1.1)
    assert disagree == compared


def test_a_question_without_a_direction_is_not_compared() -> None:
    vectors = world.draw(np.random.default_rng(3), 2)
    records = tuple(
        replace(r, hits=CORPUS.ids[:3]) for r in world.make_records(np.random.default_rng(4), vectors, "r")
    )
    vectors[0] = np.nan
    profile = profile_reported_scores(
        BASELINE, Sample(records, 2), tuple(r.id for r in records), vectors, CORPUS
    )
    assert profile.count("scores.compared") == 3


def test_hits_that_are_not_sampled_are_not_compared() -> None:
    vectors = world.draw(np.random.default_rng(3), 5)
    records = world.make_records(np.random.default_rng(4), vectors, "r")
    ids = tuple(r.id for r in records)
    assert profile_reported_scores(BASELINE, Sample(records, 5), ids, vectors, CORPUS).counts == {}


def test_new_documents_are_held_against_their_texts() -> None:
    stored = CORPUS.vectors[:20]
    other: VectorArray = stored @ world.random_turn()
    made = np.concatenate([stored[:15], other[15:]])
    profile = profile_reembedded(BASELINE, stored, made)
    assert (profile.count("corpus.reembedded"), profile.count("corpus.disagree")) == (20, 5)
    assert profile_reembedded(BASELINE, stored, made[:, :8]).count("corpus.disagree") == 20


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_similarities_are_those_of_exact_search(metric: Metric) -> None:
    queries = world.draw(np.random.default_rng(9), 7)
    rows, scores = exact_top_k(CORPUS.vectors, queries, 400, metric)
    table = similarities(metric, queries, CORPUS.vectors)
    np.testing.assert_allclose(np.take_along_axis(table, rows, axis=1), scores, atol=1e-5)


def test_a_document_without_a_direction_is_near_nothing() -> None:
    documents = CORPUS.vectors[:3].copy()
    documents[0], documents[1] = np.nan, 0.0
    table = similarities("cosine", CORPUS.vectors[:2], documents)
    assert np.isneginf(table[:, :2]).all()
    assert np.isfinite(table[:, 2]).all()


def test_texts_are_taken_where_there_are_some() -> None:
    given = replace(CORPUS, texts=("", "b", "c", "d", *[""] * 396))
    wanted = np.ones(400, dtype=np.bool_)
    wanted[1] = False
    assert usable_texts(given, wanted, 1) == ([2], ["c"])
    assert usable_texts(given, wanted, 9) == ([2, 3], ["c", "d"])
    assert usable_texts(CORPUS, wanted, 9) == ([], [])
