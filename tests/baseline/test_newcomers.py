from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Baseline
from monitor.baseline.newcomers import (
    describe_newcomers,
    likeness,
    nearest_cells,
    observations,
    one_of_each_source,
    profile_newcomers,
    source_of,
)
from monitor.baseline.window_profile import profile_corpus
from monitor.detectors.centroid_distance import CentroidDistance
from monitor.records import CorpusSample
from monitor.stats.sampling import hash_ids
from tests.core_fakes import world


@pytest.mark.parametrize(
    ("identifier", "source"),
    [
        ("doc-7#3", "doc-7"),
        ("doc-7/3", "doc-7"),
        ("doc-7/chunk-3", "doc-7"),
        ("a/b/c/12", "a/b/c"),
        ("wiki::Berlin::4", "wiki"),
        ("doc-7", None),
        ("https://example.com/page", None),
        ("#3", None),
        ("", None),
        ("line\nbreak#3", "line\nbreak"),
    ],
)
def test_the_source_that_an_id_names(identifier: str, source: str | None) -> None:
    assert source_of(identifier) == source


def described(ids: tuple[str, ...], *, size: int | None = None) -> tuple[Baseline, CorpusSample]:
    corpus = CorpusSample(ids, world.draw(np.random.default_rng(3), len(ids)), size or len(ids))
    baseline = world.build(world.quiet_windows(4, 80), corpus=corpus)[0]
    return describe_newcomers(baseline, corpus), corpus


def test_a_baseline_knows_its_sources_and_how_many_share_one() -> None:
    ids = tuple(f"doc-{i // 2}#{i % 2}" for i in range(300)) + tuple(f"lone-{i}#0" for i in range(100))
    corpus = described(ids)[0].corpus
    assert corpus is not None
    assert len(corpus.sources) == 250
    assert corpus.source_overlap == 0.75
    assert set(hash_ids(["doc-3", "lone-3"])) <= set(corpus.sources)


def test_newcomers_of_known_sources_are_counted() -> None:
    baseline, _ = described(tuple(f"doc-{i}#0" for i in range(400)))
    ids = ("doc-1#a", "doc-2#a", "other#a", "plain")
    fresh = np.array([True, True, True, True])
    look = CorpusSample(ids, world.draw(np.random.default_rng(4), 4), 404)
    profile = profile_newcomers(baseline, look, fresh)
    assert profile.count("corpus.new_sourced") == 3
    assert profile.count("corpus.new_known") == 2
    assert profile_newcomers(baseline, look, ~fresh).counts == {}


def test_vectors_of_another_space_lie_far_and_ordinary_ones_do_not() -> None:
    baseline, _ = described(tuple(f"doc-{i}" for i in range(400)))
    rng = np.random.default_rng(5)
    ordinary = world.draw(rng, 200)
    foreign = ordinary @ world.random_turn()
    fresh = np.ones(200, dtype=np.bool_)
    ids = tuple(f"new-{i}" for i in range(200))
    near, far = (profile_newcomers(baseline, CorpusSample(ids, v, 600), fresh) for v in (ordinary, foreign))
    assert near.count("corpus.new_looked") == far.count("corpus.new_looked") == 200
    assert near.count("corpus.new_far") <= 6
    assert far.count("corpus.new_far") >= 180


def test_newcomers_packed_closer_than_any_region_are_told_of() -> None:
    baseline, _ = described(tuple(f"doc-{i}" for i in range(400)))
    rng = np.random.default_rng(6)
    packed = world.unit(np.ones(world.D) + rng.normal(scale=0.01, size=(40, world.D)))
    ids = tuple(f"new-{i}" for i in range(40))
    fresh = np.ones(40, dtype=np.bool_)
    assert profile_newcomers(baseline, CorpusSample(ids, packed, 440), fresh).count("corpus.new_tight") == 1
    usual = CorpusSample(ids, world.draw(rng, 40), 440)
    assert profile_newcomers(baseline, usual, fresh).count("corpus.new_tight") == 0


def test_likeness_is_the_mean_cosine_of_pairs() -> None:
    vectors = world.draw(np.random.default_rng(7), 30)
    products = vectors.astype(np.float64) @ vectors.T
    pairs = products[np.triu_indices(30, 1)]
    assert likeness(vectors) == pytest.approx(pairs.mean(), abs=1e-6)
    assert likeness(vectors[:9]) is None


def test_vectors_without_a_direction_are_near_nothing() -> None:
    baseline, _ = described(tuple(f"doc-{i}" for i in range(400)))
    rows = world.draw(np.random.default_rng(8), 3)
    rows[0], rows[1] = np.nan, 0.0
    near, cells = nearest_cells(rows, baseline)
    assert np.isnan(near[:2]).all()
    assert cells.tolist()[:2] == [-1, -1]
    assert 0.0 < near[2] <= 1.0


def test_without_an_index_nothing_is_described() -> None:
    bare = world.build(world.quiet_windows(4, 80))[0]
    assert describe_newcomers(bare, None) is bare
    corpus = world.make_corpus()
    assert profile_newcomers(replace(bare, corpus=None), corpus, np.ones(400, dtype=bool)).counts == {}


def test_the_first_of_each_source_stands_for_it() -> None:
    ids = ["a#1", "lone", "b#1", "a#2", "b#2", "lone too"]
    assert one_of_each_source(ids).tolist() == [True, True, True, False, False, True]
    assert observations(ids).tolist() == one_of_each_source(ids).tolist()


def test_a_folder_of_many_texts_is_no_source() -> None:
    ids = [f"{folder}/{i}" for folder in ("manual", "tickets") for i in range(200)]
    assert observations(ids).all()


PIECES, TEXTS, INGESTS = 8, 40, 60


def in_pieces(rng: np.random.Generator, name: str, texts: int) -> CorpusSample:
    """Texts in eight pieces each, which lie close together."""
    whole = np.repeat(world.draw(rng, texts), PIECES, axis=0)
    vectors = world.unit(whole + rng.normal(scale=0.02, size=whole.shape)).astype(np.float32)
    ids = np.array([f"{name}{i}#{piece}" for i in range(texts) for piece in range(PIECES)])
    order = np.argsort(hash_ids(ids.tolist()), kind="stable")
    return CorpusSample(tuple(ids[order].tolist()), vectors[order], len(ids))


def test_ordinary_texts_that_come_in_pieces_are_no_new_topic() -> None:
    rng = np.random.default_rng(11)
    old = in_pieces(rng, "old", 1500)
    baseline = world.build(world.quiet_windows(4, 80), corpus=old)[0]
    baseline = describe_newcomers(baseline, old)
    assert baseline.corpus is not None
    assert baseline.populations["corpus"].n == 1500
    detector = CentroidDistance(signal="corpus")
    p_values, as_pieces = [], []
    for number in range(INGESTS):
        new = in_pieces(rng, f"new{number}-", TEXTS)
        profile, _ = profile_corpus(baseline, new, baseline.corpus.hashes)
        assert profile.count("corpus.n") == TEXTS
        p_values.append(detector.measure(baseline, profile).p_value)
        # The control: the same documents under ids that name no source, each an observation of its own.
        unnamed = replace(new, ids=tuple(i.replace("#", "-") for i in new.ids))
        profile, _ = profile_corpus(baseline, unnamed, baseline.corpus.hashes)
        assert profile.count("corpus.n") == TEXTS * PIECES
        as_pieces.append(detector.measure(baseline, profile).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.15
    assert np.mean(np.array(as_pieces) < 0.05) >= 0.5


def test_a_new_topic_that_comes_in_pieces_is_found() -> None:
    rng = np.random.default_rng(12)
    old = in_pieces(rng, "old", 1500)
    baseline = describe_newcomers(world.build(world.quiet_windows(4, 80), corpus=old)[0], old)
    assert baseline.corpus is not None
    new = in_pieces(rng, "new", TEXTS)
    turned = replace(new, vectors=(new.vectors @ world.random_turn()).astype(np.float32))
    profile, _ = profile_corpus(baseline, turned, baseline.corpus.hashes)
    p = CentroidDistance(signal="corpus").measure(baseline, profile).p_value
    assert p is not None
    assert p < 1e-6
