from __future__ import annotations

import numpy as np

from monitor.baseline.frozen import Population
from monitor.stats.codebook import merge_cells


def test_cells_are_merged_once_for_each_number_of_groups() -> None:
    rng = np.random.default_rng(3)
    centroids, cells = rng.normal(size=(12, 4)).astype(np.float32), rng.integers(1, 50, 12)
    population = Population(100, np.zeros(4), 1.0, 3.0, centroids, cells)
    for k in (4, 8, 4):
        np.testing.assert_array_equal(population.groups(k), merge_cells(centroids, cells, k))
    assert population.groups(4) is population.groups(4)
    assert "groups" not in repr(population)
