from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from monitor.baseline import Baseline, Dispersion
from monitor.baseline.features import add_features
from monitor.detectors.duplicate_rate import DuplicateRate, Duplicates
from monitor.records import Reading
from monitor.stats.predictive import log_predictive_sf
from tests.core_fakes import world


def baseline() -> Baseline:
    windows = [replace(w, sample=replace(w.sample, duplicates=4)) for w in world.quiet_windows()]
    return add_features(*world.build(windows), windows, (Duplicates(),))[0]


def measure(duplicates: int, reference: Baseline | None = None) -> Reading:
    reference = reference or baseline()
    window = world.make_window(np.random.default_rng(3), 500, "w")
    window = replace(window, sample=replace(window.sample, duplicates=duplicates))
    return DuplicateRate().measure(reference, world.make_profile(reference, window))


def test_a_rise_is_decided_by_the_law_of_counts_and_a_fall_is_none() -> None:
    risen = measure(40)
    assert risen.value == pytest.approx(40 / 540)
    assert risen.log_p == log_predictive_sf(40, 540, 80, 4080)
    assert (risen.log_p or 0.0) < math.log(1e-6)
    assert risen.shift > risen.effect_floor
    assert risen.detail["baseline"] == pytest.approx(80 / 4080)
    for calm in (measure(10), measure(0)):
        assert (calm.log_p or 0.0) > math.log(0.1)
        assert calm.shift < calm.effect_floor


def test_a_log_that_never_had_one_is_alarmed_by_some() -> None:
    clean = add_features(*world.build(world.quiet_windows()), world.quiet_windows(), (Duplicates(),))[0]
    assert measure(0, clean).log_p == 0.0
    assert (measure(10, clean).log_p or 0.0) < math.log(1e-8)


def test_bursts_in_quiet_history_raise_the_p_value() -> None:
    reference = baseline()
    wide = replace(reference, dispersion={"duplicate_rate.queries": Dispersion(6.0, 1.0, 20)})
    assert (measure(25, wide).log_p or 0.0) > (measure(25, reference).log_p or 0.0) + 1.0
    same = replace(reference, dispersion={"duplicate_rate.queries": Dispersion(1.0, 1.0, 20)})
    assert measure(25, same).log_p == measure(25, reference).log_p


@pytest.mark.parametrize("options", [{"effect_floor": 1.0}, {"effect_floor": math.nan}, {"least": 1}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        DuplicateRate(**options)  # type: ignore[arg-type]
