from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline import query_vectors
from monitor.records import Record, Sample, VectorArray
from tests.core_fakes import world


def sample(*records: tuple[str | None, VectorArray | None]) -> Sample:
    made = tuple(Record(f"r{i}", world.START, text=t, vector=v) for i, (t, v) in enumerate(records))
    return world.make_sample(made)


def ones(d: int) -> VectorArray:
    return np.ones(d, dtype=np.float32)


def test_logged_vectors_are_taken_as_they_are_and_texts_are_embedded_in_one_call() -> None:
    embedder = world.FakeEmbedder(d=4)
    found = query_vectors(sample(("t one", None), ("t two", ones(4)), ("t three", None)), embedder, 4)
    assert found.ids == ("r0", "r1", "r2")
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors[[0, 2]], embedder.embed(["t one", "t three"]))
    np.testing.assert_array_equal(found.vectors[1], ones(4))
    assert embedder.asked[0] == 2
    assert (found.missing, found.wrong_dimension) == (0, 0)


def test_what_has_neither_vector_nor_text_is_missing() -> None:
    found = query_vectors(sample((None, None), ("", None), ("t", None)), world.FakeEmbedder(d=4), 4)
    assert (found.ids, found.missing) == (("r2",), 2)


def test_without_an_embedder_texts_are_missing() -> None:
    found = query_vectors(sample(("t", None), (None, ones(4))), None, 4)
    assert (found.ids, found.missing) == (("r1",), 1)


def test_another_dimension_is_counted_and_left_out() -> None:
    found = query_vectors(sample((None, ones(4)), (None, ones(3)), ("t", None)), world.FakeEmbedder(d=5), 4)
    assert (found.ids, found.wrong_dimension, found.missing) == (("r0",), 2, 0)


@pytest.mark.parametrize(("dimensions", "chosen"), [((3, 4, 4), 4), ((3,), 3), ((), 0)])
def test_without_a_baseline_the_most_frequent_dimension_is_taken(
    dimensions: tuple[int, ...], chosen: int
) -> None:
    found = query_vectors(sample(*((None, ones(d)) for d in dimensions)), None, None)
    assert found.vectors.shape == (sum(d == chosen for d in dimensions), chosen)
    assert found.wrong_dimension == sum(d != chosen for d in dimensions)


def test_an_empty_sample_has_the_shape_of_the_baseline() -> None:
    found = query_vectors(sample(), world.FakeEmbedder(), 4)
    assert (found.vectors.shape, found.ids, found.missing) == ((0, 4), (), 0)
