from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from monitor.detectors.centroid_distance import CentroidDistance
from monitor.detectors.variance_shift import VarianceShift
from monitor.records import Reading, VectorArray
from tests.core_fakes import world


def measure(vectors: VectorArray, detector: VarianceShift | CentroidDistance | None = None) -> Reading:
    baseline = world.full_baseline()
    window = world.make_window(np.random.default_rng(0), len(vectors), "w")
    profile = world.make_profile(baseline, replace(window, vectors=vectors))
    return (detector or VarianceShift()).measure(baseline, profile)


def test_noise_that_leaves_the_mean_where_it_is_is_seen_here_and_not_by_the_centre() -> None:
    rng = np.random.default_rng(1)
    vectors = world.draw(rng, 1000)
    noisy = world.unit(vectors + rng.normal(scale=0.06, size=vectors.shape))
    assert (measure(noisy).log_p or 0.0) < math.log(1e-4)
    assert float(measure(noisy).detail["mean_change"]) > 0.01
    assert (measure(noisy, CentroidDistance()).log_p or 0.0) > math.log(0.01)
    assert (measure(vectors).log_p or 0.0) > math.log(0.01)


def test_its_value_is_the_relative_change_of_spread() -> None:
    rng = np.random.default_rng(2)
    baseline = world.full_baseline()
    vectors = world.draw(rng, 20_000)
    centre = baseline.features["whitening"].parameters["centre"]
    flat = replace(baseline, metric="l2")  # lengths are kept, so that the spread alone shrinks
    window = replace(world.make_window(rng, 20_000, "w"), vectors=vectors)
    shrunk = replace(window, vectors=(centre + 0.9 * (vectors - centre)).astype(np.float32))
    reading = VarianceShift().measure(flat, world.make_profile(flat, shrunk))
    assert float(reading.detail["mean_change"]) == pytest.approx(-0.1, abs=0.02)
    assert reading.value == pytest.approx(0.1, abs=0.02)
    assert VarianceShift().measure(flat, world.make_profile(flat, window)).value < 0.02


@pytest.mark.parametrize("options", [{"effect_floor": -0.1}, {"effect_floor": math.inf}, {"least": 1}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        VarianceShift(**options)  # type: ignore[arg-type]
