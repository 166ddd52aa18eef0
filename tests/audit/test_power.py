"""An injected shift is found, or not, as paper and pencil say."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from monitor.audit.blocks import make_blocks
from monitor.audit.power import HORIZONS, Run, count_unprovoked, find_smallest, prepare_runs
from monitor.audit.shifts import SHIFTS, Shift
from monitor.audit.watch import State, Watch
from monitor.judge.spans import Past
from monitor.profile import merge
from monitor.records import Reading
from monitor.stats.e_values import log_e_value
from tests.audit.conftest import Quiet

KINDS = {shift.name: shift for shift in SHIFTS}
THRESHOLD = 9.0
RUNS = 60


def runs_of(quiet: Quiet, detectors: Any, runs: int = RUNS) -> tuple[Run, ...]:
    scene = quiet.scene
    blocks = make_blocks([w.window for w in quiet.windows])
    watch = Watch(quiet.baseline, detectors, THRESHOLD)
    profiles = [Past(w.window, merge(w.profile, scene.still)) for w in quiet.windows]
    return prepare_runs([watch], profiles, blocks, blocks, runs, 11)


def find(quiet: Quiet, shift: Shift, detectors: Any) -> Any:
    ticks: list[None] = []
    profiles = [Past(w.window, w.profile) for w in quiet.windows]
    found = find_smallest(quiet.scene, profiles, shift, runs_of(quiet, detectors), lambda: ticks.append(None))
    assert ticks
    return found


def chance(quiet: Quiet, share: float) -> float:
    """Return the chance that one window with this share of empty answers fires: the binomial law twice over."""
    empty, answers = quiet.baseline.empty_answers
    q = (empty + 0.5) / (answers + 1)
    q += math.sqrt(q * (1 - q) / (answers + 1))
    n = 200
    least = next(
        k
        for k in range(1, n)
        if log_e_value(stats.binom.logsf(k - 1, n, q)) >= THRESHOLD and k / n - q >= 0.02
    )
    return float(stats.binom.sf(least - 1, n, share))


def test_empty_answers_are_found_as_the_binomial_law_says(quiet: Quiet, probes: Any) -> None:
    found = find(quiet, KINDS["empty_answers"], probes)
    smallest = found.smallest[1]
    assert found.fired == ("empty_results.scores",)
    sizes = KINDS["empty_answers"].sizes
    assert chance(quiet, smallest) > 0.85
    below = sizes[sizes.index(smallest) - 1]
    assert chance(quiet, below) < 0.99
    assert chance(quiet, sizes[0]) < 0.1
    assert smallest > sizes[0]
    assert found.smallest[24] <= found.smallest[4] <= smallest


def test_a_turn_of_the_model_is_found_at_the_canaries_threshold(quiet: Quiet, probes: Any) -> None:
    """1 - cos(0.5°) = 0.00004 and 1 - cos(1°) = 0.00015: the canaries fire at 0.0001."""
    assert find(quiet, KINDS["rotation"], probes).smallest == dict.fromkeys(HORIZONS, 1.0)


def test_what_no_detector_sees_is_not_found_at_any_size(quiet: Quiet, probes: Any) -> None:
    found = find(quiet, KINDS["new_topic"], probes)
    assert found.smallest == dict.fromkeys(HORIZONS)
    assert found.fired == ()


class Sure:
    """Fires in every window."""

    name = "sure"
    signal = "queries"

    def measure(self, baseline: object, profile: object) -> Reading:
        return Reading(self.name, self.signal, 1.0, 100, log_p=-100.0)


def test_false_alarms_are_told_apart_from_what_was_laid_in(quiet: Quiet, probes: Any) -> None:
    profiles = [Past(w.window, w.profile) for w in quiet.windows]
    assert count_unprovoked(quiet.scene, profiles, runs_of(quiet, probes, 20)) == 0
    assert count_unprovoked(quiet.scene, profiles, runs_of(quiet, (Sure(),), 20)) == 20


def test_a_run_that_is_in_an_incident_before_starts_from_nothing(quiet: Quiet, probes: Any) -> None:
    assert all(run.before == State() for run in runs_of(quiet, (Sure(),), 5))
    assert all(len(run.before.evidence) == 2 for run in runs_of(quiet, probes, 5))


def test_the_same_seed_gives_the_same_runs(quiet: Quiet, probes: Any) -> None:
    first, again = runs_of(quiet, probes, 10), runs_of(quiet, probes, 10)
    assert [r.places for r in first] == [r.places for r in again]
    assert len({r.places for r in first}) == 10


@pytest.mark.parametrize(("least_seen", "expected"), [(0.05, 0.05), (0.06, 0.07), (0.0, 0.01), (2.0, None)])
def test_the_ladder_is_climbed_to_the_first_that_passes(
    quiet: Quiet, least_seen: float, expected: float | None
) -> None:
    """A shift that marks windows by its size, and a detector that fires from a size on."""

    class Limit:
        name = "limit"
        signal = "queries"

        def measure(self, baseline: object, profile: Any) -> Reading:
            size = profile.count("size") / 1000
            return Reading(self.name, self.signal, size, 100, log_p=-50.0 if 0 < size >= least_seen else 0.0)

    def lay(scene: Any, size: float, variant: int) -> Any:
        counts = {**scene.still.counts, "size": np.array([round(size * 1000)])}
        return replace(scene.still, counts=counts)

    shift = replace(KINDS["new_topic"], window=None, beside=lay)
    assert find(quiet, shift, (Limit(),)).smallest == dict.fromkeys(HORIZONS, expected)
