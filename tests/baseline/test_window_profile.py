from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from monitor.baseline import Baseline, CorpusReference
from monitor.baseline.frozen import PERSISTENT
from monitor.baseline.window_profile import (
    cosine_rows,
    has_direction,
    profile_canaries,
    profile_corpus,
    profile_log,
    profile_queries,
    profile_suite,
    score_columns,
)
from monitor.profile import Profile, merge
from monitor.records import CorpusSample, Ranking, Record, Sample, VectorArray
from monitor.stats.sampling import hash_id
from tests.core_fakes import world


def with_scores(*scores: tuple[float, ...] | None) -> Sample:
    return world.make_sample(
        [Record(f"r{i}", world.START, hits=("d",), scores=s) for i, s in enumerate(scores)]
    )


def test_a_query_gives_one_value_per_column() -> None:
    columns = score_columns(with_scores((0.9, 0.5, 0.1), (0.4,), None, ()), "similarity")
    assert columns["top1"].tolist() == [0.9, 0.4]
    assert columns["mean"].tolist() == pytest.approx([0.5, 0.4])
    assert columns["margin"].tolist() == pytest.approx([0.4])


def test_distances_are_turned_so_that_higher_is_better() -> None:
    columns = score_columns(with_scores((0.1, 0.3)), "distance")
    assert columns["top1"].tolist() == [-0.1]
    assert columns["mean"].tolist() == pytest.approx([-0.2])
    assert columns["margin"].tolist() == pytest.approx([0.2])


def test_no_scores_are_no_columns() -> None:
    assert all(column.shape == (0,) for column in score_columns(with_scores(None), "similarity").values())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_score_that_is_no_number_leaves_its_query_out_and_is_counted(bad: float, place: int) -> None:
    scores = [0.9, 0.5, 0.1]
    scores[place] = bad
    sample = with_scores(tuple(scores), (0.4, 0.2), None)
    columns = score_columns(sample, "similarity")
    assert {name: len(column) for name, column in columns.items()} == {"top1": 1, "mean": 1, "margin": 1}
    profile = profile_log(world.full_baseline(), sample)
    assert profile.count("scores.nonfinite") == 1
    assert profile.count("scores.missing") == 1


def turned(baseline: Baseline) -> tuple[Profile, Profile]:
    """The same log as similarities and, on a baseline built for it, as distances."""
    windows = world.quiet_windows(4, 80)
    flipped = tuple(
        replace(w, sample=replace(w.sample, records=tuple(flip(r) for r in w.sample.records)))
        for w in windows
    )
    other, _ = world.build(flipped, direction="distance")
    return (
        profile_log(baseline, windows[0].sample),
        profile_log(other, flipped[0].sample),
    )


def flip(record: Record) -> Record:
    return replace(record, scores=tuple(1.0 - s for s in record.scores or ()))


def test_direction_does_not_change_what_is_counted() -> None:
    baseline, _ = world.build(world.quiet_windows(4, 80))
    similarity, distance = turned(baseline)
    for name in ("scores.top1", "scores.mean", "scores.margin"):
        # 1 - s and -(1 - s) round differently, so a value on an edge may change its bin.
        assert np.abs(similarity.counts[name] - distance.counts[name]).sum() <= 4


def test_the_log_is_counted() -> None:
    records = (
        Record("a", world.START, hits=("d",), scores=(0.7, 0.6)),
        Record("b", world.START, hits=("d",)),
        Record("c", world.START),
    )
    sample = Sample(records, seen=9, duplicates=2, rejected={"bad_id": 3, "bad_time": 1})
    profile = profile_log(world.full_baseline(), sample)
    counted = {
        "records.seen": 9,
        "records.sampled": 3,
        "records.duplicates": 2,
        "records.rejected": 4,
        "scores.answers": 2,
        "scores.empty": 1,
        "scores.missing": 1,
        "scores.top1": 1,
        "scores.margin": 1,
    }
    assert {name: profile.count(name) for name in counted} == counted


def test_an_empty_log_is_counted_too() -> None:
    baseline = world.full_baseline()
    profile = merge(
        profile_log(baseline, Sample((), 0)),
        profile_queries(baseline, np.zeros((0, world.D), "f4"), missing=2, wrong_dimension=1),
    )
    assert profile.count("records.seen") == profile.count("queries.n") == 0
    assert profile.count("queries.missing") == 2
    assert profile.count("queries.wrong_dimension") == 1


# --- the corpus -----------------------------------------------------------------------------------------------


def known(baseline: Baseline) -> CorpusReference:
    assert baseline.corpus is not None
    return baseline.corpus


@cache
def sampled_baseline(n: int = 400, of: int = 2000) -> tuple[Baseline, world.FakeIndex]:
    """A baseline whose corpus is sampled, not read whole, and the index behind it."""
    ids = [f"doc-{i}" for i in range(of)]
    index = world.FakeIndex(ids, world.draw(np.random.default_rng(2), of))
    return world.build(world.quiet_windows(4, 80), corpus=index.sample(n))[0], index


def grown(index: world.FakeIndex, vectors: VectorArray, prefix: str = "new") -> world.FakeIndex:
    return world.FakeIndex(
        [*index.ids, *(f"{prefix}-{i}" for i in range(len(vectors)))],
        np.concatenate([index.vectors, vectors]),
    )


def look(
    baseline: Baseline, corpus: CorpusSample, seen: np.ndarray | None = None
) -> tuple[Profile, np.ndarray]:
    return profile_corpus(baseline, corpus, known(baseline).hashes if seen is None else seen)


def test_a_corpus_that_stands_shows_nothing_new() -> None:
    baseline, index = sampled_baseline()
    profile, seen = look(baseline, index.sample(400))
    assert profile.count("corpus.new") == profile.count("corpus.gone") == profile.count("corpus.changed") == 0
    assert profile.count("corpus.kept") == PERSISTENT
    assert profile.count("corpus.size") == 2000
    assert "corpus.n" not in profile.counts
    np.testing.assert_array_equal(seen, known(baseline).hashes)


@pytest.mark.parametrize("whole", [True, False])
def test_new_documents_are_seen_once_and_each_of_them(whole: bool) -> None:
    n = 2000 if whole else 400
    baseline, index = sampled_baseline(n)
    rng = np.random.default_rng(7)
    more = grown(index, world.draw(rng, 500))
    profile, seen = look(baseline, more.sample(2 * n))
    # Of a sampled corpus those below the largest known hash are known to be new.
    horizon = int(known(baseline).hashes[-1])
    visible = [i for i in more.ids[2000:] if whole or hash_id(i) <= horizon]
    assert profile.count("corpus.new") == profile.count("corpus.n") == len(visible) > 60
    again, seen_again = look(baseline, more.sample(2 * n), seen)
    assert again.count("corpus.new") == len(visible)
    assert "corpus.n" not in again.counts
    np.testing.assert_array_equal(seen_again, seen)


def test_a_growing_corpus_crowds_old_documents_out_without_their_being_gone() -> None:
    baseline, index = sampled_baseline()
    more = grown(index, world.draw(np.random.default_rng(7), 3000))
    profile, _ = look(baseline, more.sample(400))
    assert profile.count("corpus.gone") == 0
    assert profile.count("corpus.new") / profile.count("corpus.sampled") == pytest.approx(0.6, abs=0.1)


def test_a_trickle_waits_until_it_is_a_sample() -> None:
    baseline, index = sampled_baseline(2000)
    rng = np.random.default_rng(7)
    few = grown(index, world.draw(rng, 29), "first")
    profile, seen = look(baseline, few.sample(4000))
    assert profile.count("corpus.new") == 29
    assert "corpus.n" not in profile.counts
    more = grown(few, world.draw(rng, 1), "second")
    profile, seen = look(baseline, more.sample(4000), seen)
    assert profile.count("corpus.n") == 30
    last = grown(more, world.draw(rng, 30), "third")
    profile, _ = look(baseline, last.sample(4000), seen)
    assert profile.count("corpus.n") == 30
    assert profile.count("corpus.new") == 60


def test_documents_that_went_are_counted() -> None:
    baseline, index = sampled_baseline(2000)
    rest = world.FakeIndex(index.ids[:1500], index.vectors[:1500])
    profile, _ = look(baseline, rest.sample(2000))
    assert profile.count("corpus.gone") == 500
    assert profile.count("corpus.new") == 0
    assert 0 < profile.count("corpus.kept") < PERSISTENT


def test_an_index_that_lost_everything_is_said_to_be_empty() -> None:
    baseline, _ = sampled_baseline(2000)
    nothing = CorpusSample((), np.zeros((0, world.D), "f4"), 0)
    profile, seen = look(baseline, nothing)
    assert profile.count("corpus.looked") == 1
    assert profile.count("corpus.gone") == 2000
    assert profile.count("corpus.kept") == 0
    np.testing.assert_array_equal(seen, known(baseline).hashes)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_changed_share_is_counted_among_stored_vectors(share: float) -> None:
    baseline, index = sampled_baseline(800)
    corpus = index.sample(800)
    vectors = corpus.vectors.copy()
    changed = int(share * PERSISTENT)
    vectors[:changed] = vectors[:changed] @ world.random_turn()
    # Half precision and another scale are no change of direction.
    vectors[changed:] = (vectors[changed:] * 3.0).astype(np.float16)
    profile, _ = look(baseline, replace(corpus, vectors=vectors))
    assert profile.count("corpus.kept") == PERSISTENT
    assert profile.count("corpus.changed") == changed


def test_a_stored_vector_that_turned_nan_has_changed() -> None:
    baseline, index = sampled_baseline()
    corpus = index.sample(400)
    vectors = corpus.vectors.copy()
    vectors[3] = np.nan
    profile, _ = look(baseline, replace(corpus, vectors=vectors))
    assert profile.count("corpus.changed") == 1


def test_lengths_count_where_the_metric_knows_them() -> None:
    index = world.FakeIndex([f"doc-{i}" for i in range(400)], world.draw(np.random.default_rng(2), 400))
    baseline, _ = world.build(world.quiet_windows(4, 80), corpus=index.sample(400), metric="l2")
    scaled = replace(index.sample(400), vectors=index.sample(400).vectors * np.float32(1.01))
    assert look(baseline, index.sample(400))[0].count("corpus.changed") == 0
    assert look(baseline, scaled)[0].count("corpus.changed") == PERSISTENT


def test_an_index_of_another_dimension_is_counted_and_does_not_break_the_walk() -> None:
    baseline, index = sampled_baseline(2000)
    narrow = grown(world.FakeIndex(index.ids, index.vectors), world.draw(np.random.default_rng(7), 50))
    corpus = narrow.sample(2050)
    profile, seen = look(baseline, replace(corpus, vectors=corpus.vectors[:, :12]))
    assert profile.count("corpus.kept") == profile.count("corpus.changed") == PERSISTENT
    assert profile.count("corpus.new") == profile.count("corpus.wrong_dimension") == 50
    assert "corpus.n" not in profile.counts
    np.testing.assert_array_equal(seen, known(baseline).hashes)


def test_broken_vectors_among_old_documents_are_not_newcomers() -> None:
    corpus = world.make_corpus(600)
    vectors = corpus.vectors.copy()
    vectors[::6] = np.nan
    broken = replace(corpus, vectors=vectors)
    baseline, _ = world.build(world.quiet_windows(4, 80), corpus=broken)
    profile, _ = look(baseline, broken)
    assert profile.count("corpus.new") == profile.count("corpus.gone") == profile.count("corpus.changed") == 0


def test_broken_vectors_among_new_documents_are_counted() -> None:
    baseline, index = sampled_baseline(2000)
    fresh = world.draw(np.random.default_rng(7), 60)
    fresh[:20] = np.nan
    profile, _ = look(baseline, grown(index, fresh).sample(4000))
    assert profile.count("corpus.n") == 40
    assert profile.count("corpus.nonfinite") == 20


# --- the suite ------------------------------------------------------------------------------------------------


@cache
def suite_baseline() -> tuple[Baseline, world.FakeIndex]:
    corpus = world.make_corpus()
    _, suite = world.make_suite(corpus)
    baseline, _ = world.build(world.quiet_windows(4, 80), corpus=corpus, suite=suite)
    return baseline, world.FakeIndex(corpus.ids, corpus.vectors)


def replay(index: world.FakeIndex, turn: VectorArray | None = None) -> Profile:
    baseline, _ = suite_baseline()
    assert baseline.suite is not None
    stored = index.search(baseline.suite.vectors, baseline.suite.depth)
    live = stored
    if turn is not None:
        live = index.search(baseline.suite.vectors @ turn, baseline.suite.depth)
    return profile_suite(baseline, live, stored)


def loss(profile: Profile, name: str) -> float:
    baseline, _ = suite_baseline()
    assert baseline.suite is not None
    return float((baseline.suite.recall - profile.sums[name]).mean())


def test_a_replay_of_what_stands_is_the_baseline() -> None:
    baseline, index = suite_baseline()
    profile = replay(index)
    assert baseline.suite is not None
    assert baseline.suite.recall.tolist() == [1.0] * 40
    for signal in ("suite", "index"):
        np.testing.assert_array_equal(profile.sums[f"{signal}.recall"], baseline.suite.recall)
        np.testing.assert_array_equal(profile.sums[f"{signal}.era_recall"], baseline.suite.recall)
        np.testing.assert_array_equal(profile.sums[f"{signal}.ndcg"], baseline.suite.ndcg)
        np.testing.assert_allclose(profile.sums[f"{signal}.rbo"], 1.0, rtol=1e-12)
        assert profile.count(f"{signal}.replays") == 1


def test_growth_lowers_recall_and_leaves_era_recall_whole() -> None:
    baseline, index = suite_baseline()
    assert baseline.suite is not None
    # Eight newcomers right beside each query push the judged document out of the first five.
    rng = np.random.default_rng(3)
    beside = np.repeat(baseline.suite.vectors, 8, axis=0)
    newcomers = world.unit(beside + rng.normal(scale=1e-3, size=beside.shape))
    for turn in (None, np.eye(world.D, dtype=np.float32)):  # one replay for both signals, then one for each
        profile = replay(grown(index, newcomers), turn)
        for signal in ("suite", "index"):
            assert loss(profile, f"{signal}.recall") > 0.9
            assert profile.sums[f"{signal}.era_recall"].tolist() == [1.0] * 40
            assert profile.sums[f"{signal}.jaccard"].mean() < 0.2


def test_a_document_in_any_ranking_of_the_baseline_is_no_newcomer() -> None:
    baseline, index = suite_baseline()
    suite = baseline.suite
    assert suite is not None
    # The index had missed the first query's own document, as an approximate one does, and finds it now: it is
    # still the document that another query was judged by.
    target = suite.rankings[0][0]
    relevant = ({target: 1}, *suite.relevant[1:])
    first = tuple(i for i in suite.rankings[1] if i != target)
    missed = replace(suite, relevant=relevant, rankings=(suite.rankings[0], first, *suite.rankings[2:]))
    stored = index.search(suite.vectors, suite.depth)
    rows = [list(ids) for ids in stored.ids]
    rows[1] = [target, *[i for i in rows[1] if i != target]][: suite.depth]
    profile = profile_suite(replace(baseline, suite=missed), None, Ranking(rows, stored.scores))
    assert profile.sums["index.era_recall"][0] == 1.0


def test_a_lost_document_is_lost_in_era_recall_as_well() -> None:
    baseline, index = suite_baseline()
    assert baseline.suite is not None
    lost = {next(iter(r)) for r in baseline.suite.relevant[:10]}
    stay = [i for i, identifier in enumerate(index.ids) if identifier not in lost]
    profile = replay(world.FakeIndex([index.ids[i] for i in stay], index.vectors[stay]))
    for name in ("suite.recall", "suite.era_recall", "index.recall", "index.era_recall"):
        assert loss(profile, name) == pytest.approx(0.25)


def test_a_pushed_query_model_loses_the_suite_and_not_the_control() -> None:
    _, index = suite_baseline()
    profile = replay(index, world.random_turn())
    assert loss(profile, "suite.era_recall") > 0.5
    assert loss(profile, "index.era_recall") == 0.0
    assert profile.sums["suite.rbo"].mean() < 0.5
    np.testing.assert_allclose(profile.sums["index.rbo"], 1.0, rtol=1e-12)


def test_a_reembedded_corpus_loses_the_control_too() -> None:
    _, index = suite_baseline()
    profile = replay(world.FakeIndex(index.ids, index.vectors @ world.random_turn()))
    assert loss(profile, "index.recall") > 0.5


def test_an_index_that_answers_nothing_scores_zero() -> None:
    baseline, _ = suite_baseline()
    assert baseline.suite is not None
    nothing = Ranking([[] for _ in baseline.suite.query_ids], np.zeros((40, 0), "f4"))
    profile = profile_suite(baseline, nothing, nothing)
    for name in ("suite.recall", "index.era_recall", "suite.ndcg", "suite.rbo"):
        assert profile.sums[name].tolist() == [0.0] * 40


def test_live_answers_alone_are_measured() -> None:
    baseline, index = suite_baseline()
    assert baseline.suite is not None
    live = index.search(baseline.suite.vectors, baseline.suite.depth)
    profile = profile_suite(baseline, live, None)
    assert set(profile.counts) == {"suite.replays"}
    assert profile.sums["suite.recall"].tolist() == [1.0] * 40


def test_without_a_suite_nothing_is_measured() -> None:
    baseline, _ = world.build(world.quiet_windows(4, 80))
    assert profile_suite(baseline, None, None) == Profile(baseline.basis)
    assert profile_canaries(baseline, np.zeros((1, world.D), "f4")) == Profile(baseline.basis)


# --- canaries -------------------------------------------------------------------------------------------------


def test_canaries_that_stand_have_not_moved() -> None:
    baseline = world.full_baseline()
    assert baseline.canary is not None
    profile = profile_canaries(baseline, baseline.canary.vectors * np.float32(2.0))
    np.testing.assert_allclose(profile.sums["canary.distance"], 0.0, atol=1e-6)
    assert profile.count("canary.replays") == 1


def test_canaries_of_another_dimension_are_another_model() -> None:
    baseline = world.full_baseline()
    profile = profile_canaries(baseline, np.ones((16, 7), "f4"))
    assert profile.sums["canary.distance"].tolist() == [1.0] * 16


def test_a_canary_that_turned_nan_has_moved_and_one_that_always_was_has_not() -> None:
    baseline = world.full_baseline()
    assert baseline.canary is not None
    vectors = baseline.canary.vectors.copy()
    vectors[2] = np.nan
    moved = profile_canaries(baseline, vectors).sums["canary.distance"]
    assert moved[2] == 1.0
    assert moved.sum() == pytest.approx(1.0, abs=1e-5)
    always = replace(baseline, canary=replace(baseline.canary, vectors=vectors))
    assert profile_canaries(always, vectors).sums["canary.distance"].max() < 1e-6


def test_rows_without_direction() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [1e-3, 0.0]], dtype=np.float32)
    assert has_direction(rows).tolist() == [True, False, False, False, True]
    cosines = cosine_rows(rows, np.tile(np.array([[1.0, 0.0]], "f4"), (5, 1)))
    assert cosines.tolist() == [1.0, 0.0, 0.0, 0.0, 1.0]


def test_an_infinite_row_beside_a_zero_one_has_the_cosine_zero() -> None:
    infinite, zero = np.array([[np.inf, 1.0]], "f4"), np.zeros((1, 2), "f4")
    assert cosine_rows(infinite, zero).tolist() == cosine_rows(zero, infinite).tolist() == [0.0]
