from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Baseline, WindowData
from monitor.baseline.features import add_features
from monitor.detectors.norm_shift import Norms, NormShift
from monitor.records import Reading
from tests.core_fakes import world


def lengthened(window: WindowData, seed: int, factor: float = 1.0, scatter: float = 0.1) -> WindowData:
    lengths = factor * np.exp(scatter * np.random.default_rng(seed).normal(size=(len(window.vectors), 1)))
    return replace(window, vectors=(window.vectors * lengths).astype(np.float32))


def scattered() -> Baseline:
    windows = [lengthened(w, i) for i, w in enumerate(world.quiet_windows())]
    return add_features(*world.build(windows), windows, (Norms(),))[0]


def measure(baseline: Baseline, window: WindowData) -> Reading:
    return NormShift().measure(baseline, world.make_profile(baseline, window))


@pytest.fixture
def window() -> WindowData:
    return world.make_window(np.random.default_rng(9), 500, "w")


def test_norms_of_another_scale_are_seen_and_shown(window: WindowData) -> None:
    baseline = scattered()
    quiet, longer = (measure(baseline, lengthened(window, 100, factor)) for factor in (1.0, 1.05))
    assert (quiet.log_p or 0.0) > math.log(0.01)
    assert (longer.log_p or 0.0) < math.log(1e-6)
    assert longer.shift > longer.effect_floor > quiet.shift
    assert longer.value / float(longer.detail["baseline"]) == pytest.approx(1.05, abs=0.02)


def test_unit_vectors_that_stay_so_do_not_scatter_and_a_scale_dropped_is_certain(window: WindowData) -> None:
    baseline = world.full_baseline()
    same = measure(baseline, window)
    assert (same.status, same.log_p, same.shift) == ("ok", 0.0, 0.0)
    assert same.value == pytest.approx(1.0, abs=1e-9)
    assert (measure(baseline, lengthened(window, 1, 1.3, 0.0)).log_p or 0.0) < math.log(1e-10)


@pytest.mark.parametrize("options", [{"effect_floor": -0.1}, {"effect_floor": math.inf}, {"least": 1}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        NormShift(**options)  # type: ignore[arg-type]
