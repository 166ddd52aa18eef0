from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest

from monitor.detectors.score_anderson_darling import ScoreAndersonDarling
from monitor.detectors.score_psi import ScorePSI
from monitor.records import Reading
from tests.core_fakes import world

Column = Literal["top1", "mean", "margin"]
COLUMNS: tuple[Column, ...] = ("top1", "mean", "margin")


def measure(
    n: int,
    column: Column = "top1",
    *,
    shift: float = 0.0,
    shrink: float = 1.0,
    seed: int = 0,
    psi: bool = False,
) -> Reading:
    baseline = world.full_baseline()
    rng = np.random.default_rng(seed)
    records = world.make_records(rng, world.draw(rng, n), "m", shift=shift, shrink=shrink)
    window = world.make_window(rng, 1, "w")
    data = type(window)(world.make_sample(records), window.vectors, window.ids, window.window)
    detector = ScorePSI(column) if psi else ScoreAndersonDarling(column)
    return detector.measure(baseline, world.make_profile(baseline, data))


def test_each_column_is_a_stream_of_its_own() -> None:
    assert [ScoreAndersonDarling(c).key for c in COLUMNS] == [
        "score_anderson_darling.scores",
        "score_anderson_darling.scores_mean",
        "score_anderson_darling.scores_margin",
    ]


@pytest.mark.parametrize(
    ("column", "shift", "shrink"), [("top1", -0.02, 1.0), ("mean", -0.02, 1.0), ("margin", 0.0, 0.8)]
)
def test_shifted_and_shrunk_scores_are_seen(column: Column, shift: float, shrink: float) -> None:
    quiet, moved = measure(500, column), measure(500, column, shift=shift, shrink=shrink)
    assert (quiet.log_p or 0.0) > math.log(0.01)
    assert (moved.log_p or 0.0) < math.log(1e-4)
    assert moved.shift > moved.effect_floor > quiet.shift


def test_a_small_shift_is_seen_more_often_than_by_the_psi() -> None:
    found = {
        psi: sum(
            (measure(500, shift=-0.009, seed=s, psi=psi).log_p or 0.0) < math.log(0.01) for s in range(60)
        )
        for psi in (False, True)
    }
    assert found[False] > found[True] + 12


def test_a_shift_by_a_tenth_of_a_deviation_is_about_the_floor() -> None:
    values = [measure(4000, shift=-0.0045, seed=s).value for s in range(10)]
    assert float(np.mean(values)) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("options", [{"effect_floor": -0.1}, {"effect_floor": math.inf}, {"least": 1}])
def test_bad_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ScoreAndersonDarling(**options)  # type: ignore[arg-type]
