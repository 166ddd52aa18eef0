from __future__ import annotations

import numpy as np
import pytest

from monitor.mitigation.gate import offer_adapter
from tests.core_fakes import world

RNG = np.random.default_rng(0)
CORPUS = world.draw(RNG, 800)
OLD = world.draw(RNG, 300)


def test_a_turned_model_is_offered_the_orthogonal_map() -> None:
    offer = offer_adapter(OLD @ world.random_turn(), OLD, CORPUS, seed=1)
    assert offer.adapter.kind == "orthogonal"
    assert offer.adapter.pairs == 300
    assert offer.agreement["orthogonal"] > 0.95
    assert offer.unmapped < 0.3
    assert offer.k == 10


def test_a_stretched_model_is_offered_the_affine_map() -> None:
    stretched = (OLD * np.linspace(0.05, 3.0, world.D) + 0.5).astype(np.float32)
    offer = offer_adapter(stretched @ world.random_turn(), OLD, CORPUS, seed=1)
    assert offer.adapter.kind == "affine"
    assert offer.agreement["affine"] > offer.agreement["orthogonal"] > offer.unmapped


def test_the_same_model_needs_none_and_the_figures_say_so() -> None:
    assert offer_adapter(OLD, OLD, CORPUS, seed=1).unmapped == 1.0


def test_another_dimension_has_no_answer_without_an_adapter() -> None:
    wide = np.concatenate([OLD, OLD], axis=1)
    offer = offer_adapter(wide, OLD, CORPUS, seed=1)
    assert offer.unmapped == 0.0
    assert offer.agreement["affine"] > 0.9


def test_agreement_is_of_texts_that_were_not_fitted_on() -> None:
    # Pairs that have nothing to do with each other: an affine map of 24 dimensions fits 40 of them a little, and
    # brings back nothing of the rest.
    noise = world.unit(np.random.default_rng(5).normal(size=(40, world.D)))
    offer = offer_adapter(noise, OLD[:40], CORPUS, seed=1)
    assert max(offer.agreement.values()) < 0.3


def test_the_seed_decides_what_is_held_out() -> None:
    new = OLD @ world.random_turn() + RNG.normal(scale=0.1, size=OLD.shape).astype(np.float32)
    first, again = (offer_adapter(new, OLD, CORPUS, seed=1) for _ in range(2))
    assert first.agreement == again.agreement
    assert offer_adapter(new, OLD, CORPUS, seed=2).agreement != first.agreement


def test_a_small_corpus_answers_with_what_it_has() -> None:
    assert offer_adapter(OLD, OLD, CORPUS[:4], seed=1).unmapped == 1.0


@pytest.mark.parametrize("n", [0, 9])
def test_few_pairs_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="at least 10"):
        offer_adapter(OLD[:n], OLD[:n], CORPUS, seed=1)


@pytest.mark.parametrize("held_out", [0.0, 1.0, -0.5, float("nan")])
def test_a_split_that_leaves_nothing_is_refused(held_out: float) -> None:
    with pytest.raises(ValueError, match="held_out"):
        offer_adapter(OLD, OLD, CORPUS, seed=1, held_out=held_out)


def test_nearly_everything_may_be_held_out() -> None:
    offer = offer_adapter(OLD[:10], OLD[:10], CORPUS, seed=1, held_out=0.99)
    assert set(offer.agreement) == {"orthogonal", "affine"}
