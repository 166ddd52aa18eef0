from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Baseline, WindowData
from monitor.baseline.build import (
    LEAST_RECORDS,
    counting_half,
    describe_population,
    reference_canaries,
    reference_suite,
)
from monitor.baseline.frozen import PERSISTENT
from monitor.errors import BaselineError
from monitor.records import CorpusSample, JudgedQuery, Ranking, Record
from monitor.stats.histogram import count_bins
from monitor.stats.sampling import hash_id
from monitor.stats.vector_pass import assign_cells
from tests.core_fakes import world


def pooled(windows: tuple[WindowData, ...]) -> tuple[np.ndarray, list[str]]:
    return np.concatenate([w.vectors for w in windows]), [i for w in windows for i in w.ids]


def test_a_baseline_knows_its_population() -> None:
    windows = world.quiet_windows()
    vectors, _ = pooled(windows)
    baseline = world.full_baseline()
    queries = baseline.populations["queries"]
    assert queries.n == baseline.records == len(vectors) == 4000
    assert baseline.windows == 20
    assert baseline.dimension == world.D
    np.testing.assert_allclose(queries.mean, vectors.mean(axis=0, dtype=np.float64), atol=1e-6)
    covariance = np.cov(vectors.T.astype(np.float64))
    assert queries.spread == pytest.approx(np.trace(covariance), rel=1e-6)
    plain = np.trace(covariance) ** 2 / np.sum(covariance**2)
    assert queries.effective_dimensions == pytest.approx(plain, rel=0.02)
    assert queries.centroids.shape == (64, world.D)
    np.testing.assert_allclose(np.linalg.norm(queries.centroids, axis=1), 1.0, atol=1e-5)


def test_cells_are_counted_on_the_half_that_they_were_not_fitted_on() -> None:
    vectors, ids = pooled(world.quiet_windows())
    queries = world.full_baseline().populations["queries"]
    counting = np.array([hash_id(i) % 2 == 1 for i in ids])
    np.testing.assert_array_equal(counting_half(ids), counting)
    expected = np.bincount(assign_cells(vectors[counting], queries.centroids, normalise=True), minlength=64)
    np.testing.assert_array_equal(queries.cells, expected)
    # The fitting half decides the centroids: other vectors in the counting half leave them as they are.
    other = tuple(
        replace(w, vectors=np.where(counting_half(w.ids)[:, None], w.vectors[::-1], w.vectors))
        for w in world.quiet_windows()
    )
    again, _ = world.build(other)
    np.testing.assert_array_equal(again.populations["queries"].centroids, queries.centroids)


def test_score_bins_are_deciles_of_one_half_and_counted_on_the_other() -> None:
    baseline = world.full_baseline()
    records = [r for w in world.quiet_windows() for r in w.sample.records]
    fitting = np.array([r.scores[0] for r in records if r.scores and hash_id(r.id) % 2 == 0])
    counting = np.array([r.scores[0] for r in records if r.scores and hash_id(r.id) % 2 == 1])
    assert len(baseline.score_edges["top1"]) == 9
    fitted = count_bins(fitting, baseline.score_edges["top1"])
    assert fitted.max() - fitted.min() <= 1
    np.testing.assert_array_equal(
        baseline.score_counts["top1"], count_bins(counting, baseline.score_edges["top1"])
    )
    assert set(baseline.score_edges) == {"top1", "mean", "margin"}


def test_what_each_window_gave_adds_up_to_the_baseline() -> None:
    baseline, held = world.build(world.quiet_windows())
    queries = baseline.populations["queries"]
    assert sum(h.n for h in held) == queries.n
    np.testing.assert_array_equal(np.sum([h.cells for h in held], axis=0), queries.cells)
    np.testing.assert_allclose(np.sum([h.total for h in held], axis=0) / queries.n, queries.mean)
    for name, counts in baseline.score_counts.items():
        np.testing.assert_array_equal(np.sum([h.scores[name] for h in held], axis=0), counts)


def test_the_same_windows_give_the_same_baseline() -> None:
    first, _ = world.build(world.quiet_windows())
    again, _ = world.build(world.quiet_windows())
    assert first.basis == again.basis
    np.testing.assert_array_equal(
        first.populations["queries"].centroids, again.populations["queries"].centroids
    )


def test_the_basis_names_all_that_profiles_are_measured_against() -> None:
    windows = world.quiet_windows(4, 80)
    corpus = world.make_corpus()
    _, suite = world.make_suite(corpus)
    _, shorter = world.make_suite(corpus, n=39)
    canary = world.make_canary()
    baselines: list[Baseline] = [
        world.build(windows, **parts)[0]
        for parts in (
            {},
            {"corpus": corpus},
            {"corpus": world.make_corpus(prefix="page")},
            {"suite": suite},
            {"suite": shorter},
            {"suite": replace(suite, relevant=({"doc-1": 2}, *suite.relevant[1:]))},
            {"canary": canary},
            {"canary": replace(canary, vectors=canary.vectors[:8])},
            {"corpus": corpus, "suite": suite, "canary": canary},
        )
    ]
    assert len({b.basis for b in baselines}) == len(baselines)


@pytest.mark.parametrize("count", [0, 1, LEAST_RECORDS - 1])
def test_too_few_records_are_refused_with_the_mend(count: int) -> None:
    windows = [world.make_window(np.random.default_rng(0), count, "w")] if count else []
    with pytest.raises(
        BaselineError, match=rf"'docs'.*at least 200 usable.*has {count};.*--start.*driftmon check"
    ):
        world.build(windows)


def test_vectors_that_cannot_be_used_do_not_count_as_records() -> None:
    window = world.make_window(np.random.default_rng(0), 220, "w")
    vectors = window.vectors.copy()
    vectors[:15] = np.nan
    vectors[15:30] = 0.0
    with pytest.raises(BaselineError, match="the span has 190"):
        world.build([replace(window, vectors=vectors)])


def test_vectors_that_cannot_be_used_are_left_out() -> None:
    window = world.make_window(np.random.default_rng(0), 400, "w")
    vectors = window.vectors.copy()
    bad = np.arange(0, 400, 10)
    vectors[bad[:20]] = np.nan
    vectors[bad[20:30]] = np.inf
    vectors[bad[30:]] = 0.0
    broken, _ = world.build([replace(window, vectors=vectors)])
    good = np.setdiff1d(np.arange(400), bad)
    sample = replace(window.sample, records=tuple(window.sample.records[i] for i in good))
    clean, _ = world.build(
        [WindowData(sample, window.vectors[good], tuple(window.ids[i] for i in good), window.window)],
    )
    assert broken.records == clean.records == 360
    for name in ("mean", "centroids", "cells"):
        np.testing.assert_allclose(
            getattr(broken.populations["queries"], name), getattr(clean.populations["queries"], name)
        )
    assert broken.populations["queries"].spread == pytest.approx(clean.populations["queries"].spread)


def test_two_dimensions_in_one_span_are_refused() -> None:
    rng = np.random.default_rng(0)
    old = world.make_window(rng, 300, "a")
    new = world.make_window(rng, 300, "b")
    with pytest.raises(BaselineError, match=r"'docs'.*12 and 24 dimensions.*model changed"):
        world.build([old, replace(new, vectors=new.vectors[:, :12])])


def test_vectors_that_are_all_the_same_make_a_finite_population() -> None:
    same = np.tile(world.centres()[:1], (300, 1))
    population = describe_population(same, np.arange(300) % 2 == 0, seed=1, normalise=True)
    assert population.effective_dimensions == 1.0
    assert population.spread > 0.0
    assert population.cells.sum() == 150


def test_without_normalising_lengths_count() -> None:
    vectors = world.draw(np.random.default_rng(0), 300) * 3.0
    population = describe_population(vectors, np.arange(300) % 2 == 0, seed=1, normalise=False)
    np.testing.assert_allclose(population.mean, vectors.mean(axis=0, dtype=np.float64), atol=1e-6)
    assert np.linalg.norm(population.centroids, axis=1).mean() == pytest.approx(3.0, rel=0.1)


def test_effective_dimensions_count_equal_directions() -> None:
    rng = np.random.default_rng(0)
    vectors = np.zeros((4000, 12), dtype=np.float32)
    vectors[:, :5] = rng.normal(size=(4000, 5))
    population = describe_population(vectors, np.arange(4000) % 2 == 0, seed=1, normalise=False)
    assert population.effective_dimensions == pytest.approx(5.0, rel=0.02)


def test_documents_with_broken_vectors_are_known_but_not_compared() -> None:
    corpus = world.make_corpus(800)
    vectors = corpus.vectors.copy()
    vectors[::4] = np.nan
    baseline, _ = world.build(world.quiet_windows(), corpus=replace(corpus, vectors=vectors))
    reference = baseline.corpus
    assert reference is not None
    assert len(reference.hashes) == reference.size == 800
    assert np.all(np.diff(reference.hashes.astype(object)) > 0)
    assert len(reference.ids) == len(reference.vectors) == PERSISTENT
    assert not set(reference.ids) & set(corpus.ids[::4])
    assert np.isfinite(reference.vectors).all()
    assert baseline.populations["corpus"].n == 600


def test_an_index_without_any_usable_vector_is_refused() -> None:
    corpus = CorpusSample(("a", "b", "c"), np.zeros((3, world.D), dtype=np.float32), 3)
    with pytest.raises(BaselineError, match="0 of 3 sampled vectors"):
        world.build(world.quiet_windows(), corpus=corpus)


def test_an_empty_index_leaves_the_corpus_out() -> None:
    corpus = CorpusSample((), np.zeros((0, world.D), dtype=np.float32), 0)
    baseline, _ = world.build(world.quiet_windows(), corpus=corpus)
    assert baseline.corpus is None
    assert "corpus" not in baseline.populations


def test_empty_answers_and_missing_scores() -> None:
    window = world.make_window(np.random.default_rng(0), 300, "w")
    records = tuple(
        Record(r.id, r.at, vector=r.vector, hits=() if i % 3 == 0 else r.hits)
        for i, r in enumerate(window.sample.records)
    )
    baseline, _ = world.build([replace(window, sample=world.make_sample(records))])
    assert baseline.empty_answers == (100, 300)
    assert baseline.score_edges == baseline.score_counts == {}


def test_a_suite_remembers_where_its_rankings_ended() -> None:
    queries = [JudgedQuery("q1", "one", {"a": 1}), JudgedQuery("q2", "two", {"z": 2})]
    ranking = Ranking(
        [["a", "b", "c", "d"], ["b"]], np.array([[4, 3, 2, 1], [5, np.nan, np.nan, np.nan]], "f4")
    )
    suite = reference_suite(queries, np.eye(2, dtype=np.float32), ranking, k=1, depth=4)
    assert suite.depth_scores.tolist() == [1.0, -np.inf]
    assert suite.recall.tolist() == [1.0, 0.0]
    assert suite.rankings == (("a", "b", "c", "d"), ("b",))


def test_the_noise_floor_is_what_two_embeddings_differ_by() -> None:
    rng = np.random.default_rng(0)
    first = world.unit(rng.normal(size=(64, 48)))
    again = world.unit(first + rng.normal(scale=1e-3, size=first.shape))
    floor = reference_canaries(first, again).floor
    assert 1e-6 < floor < 1e-4
    assert reference_canaries(first, first).floor == pytest.approx(0.0, abs=1e-7)


def test_a_text_without_direction_does_not_raise_the_noise_floor() -> None:
    first = world.unit(np.random.default_rng(0).normal(size=(64, 48)))
    first[0], first[1] = 0.0, np.nan
    assert reference_canaries(first, first).floor == pytest.approx(0.0, abs=1e-7)
    assert reference_canaries(np.zeros((4, 8), "f4"), np.zeros((4, 8), "f4")).floor == 0.0
