from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from monitor.baseline.window_profile import profile_queries
from monitor.detectors.domain_classifier import DomainClassifier
from monitor.records import Reading, VectorArray
from tests.core_fakes import world


def measure(vectors: VectorArray) -> Reading:
    baseline = world.full_baseline()
    return DomainClassifier().measure(baseline, profile_queries(baseline, vectors))


def test_its_auc_is_that_of_a_discriminant_on_vectors_that_it_has_not_seen() -> None:
    rng = np.random.default_rng(1)
    quiet = world.draw(rng, 4000)
    moved = world.unit(world.draw(rng, 4000) + 0.03)
    reading = measure(moved)
    # Fitted on one half of each, scored on the other.
    direction = np.linalg.solve(
        np.cov(quiet[::2].T.astype(np.float64)),
        (moved[::2].mean(axis=0) - quiet[::2].mean(axis=0)).astype(np.float64),
    )
    auc = stats.mannwhitneyu(moved[1::2] @ direction, quiet[1::2] @ direction).statistic / 2000**2
    assert reading.value == pytest.approx(float(auc), abs=0.04)
    assert reading.shift == reading.value - 0.5


def test_on_quiet_windows_it_guesses() -> None:
    rng = np.random.default_rng(2)
    values = [measure(world.draw(rng, 300)).shift for _ in range(40)]
    assert sum(v == 0.0 for v in values) > 10
    # Chance alone would show an AUC of about 0.6 were it not taken off.
    assert float(np.median(values)) < 0.06


def test_a_shift_in_a_direction_that_hardly_varies_is_seen() -> None:
    rng = np.random.default_rng(3)
    parameters = world.full_baseline().features["whitening"].parameters
    narrow = parameters["directions"][-1] / np.linalg.norm(parameters["directions"][-1])
    vectors = world.draw(rng, 500)
    moved = measure(world.unit(vectors + 0.05 * narrow))
    assert (moved.log_p or 0.0) < math.log(1e-3)
    assert (measure(vectors).log_p or 0.0) > math.log(0.01)


@pytest.mark.parametrize("options", [{"effect_floor": 0.5}, {"effect_floor": math.nan}, {"least": 1}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        DomainClassifier(**options)  # type: ignore[arg-type]
