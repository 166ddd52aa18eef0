from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Baseline
from monitor.baseline.newcomers import (
    describe_newcomers,
    likeness,
    nearest_cells,
    profile_newcomers,
    source_of,
)
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
