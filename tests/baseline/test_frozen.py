from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.baseline.frozen import Population
from monitor.stats.codebook import merge_cells, merge_order


def test_cells_are_merged_by_the_order_that_was_frozen_or_follows_from_the_cells() -> None:
    rng = np.random.default_rng(3)
    centroids, cells = rng.normal(size=(12, 4)).astype(np.float32), rng.integers(1, 50, 12)
    population = Population(100, np.zeros(4), 1.0, 3.0, centroids, cells)
    frozen = replace(population, joins=merge_order(centroids, cells))
    other_hours = replace(frozen, cells=rng.integers(1, 50, 12))
    for k in (4, 8, 12):
        np.testing.assert_array_equal(population.groups(k), merge_cells(centroids, cells, k))
        np.testing.assert_array_equal(other_hours.groups(k), population.groups(k))
