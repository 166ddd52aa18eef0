from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.baseline.ingest import profile_ingest, watch_ingest
from monitor.detectors.ingest_gap import IngestGap
from monitor.profile import counts_profile
from monitor.records import Ingest, Reading
from tests.core_fakes import world

DAY = 86_400


def measure(**counts: int) -> Reading:
    baseline = world.full_baseline()
    given = {f"ingest__{name}": value for name, value in counts.items()}
    return IngestGap().measure(baseline, counts_profile(baseline.basis, **given))


def test_silence_counts_in_usual_gaps() -> None:
    counts = {"looked": 1, "longest": 3600, "gaps": 40, "watched": 8 * DAY}
    assert measure(**counts, silent=2 * 3600).shift == 2.0
    dead = measure(**counts, silent=4 * 3600)
    assert dead.shift >= (dead.threshold or 9.0)
    assert dead.detail == {"silent_hours": 4.0, "usual_gap_hours": 1.0}
    assert not dead.harmful


@pytest.mark.parametrize(
    "short", [{"gaps": 11}, {"watched": 6 * DAY}, {"longest": 0}, {"looked": 0}], ids=lambda s: next(iter(s))
)
def test_too_little_history_is_insufficient(short: dict[str, int]) -> None:
    counts = {"looked": 1, "longest": 3600, "gaps": 40, "watched": 8 * DAY, "silent": 99 * DAY, **short}
    assert measure(**counts).status == "insufficient"


def arrivals(
    rng: np.random.Generator, windows: int, share: float, size: int = 0
) -> tuple[Ingest | None, float]:
    """Watch documents arrive in a share of the windows; the largest silence that was measured."""
    known, worst = None, 0.0
    for number in range(windows):
        size += int(rng.random() < share)
        window = world.span(number)
        look = counts_profile(world.full_baseline().basis, corpus__looked=1, corpus__size=size)
        known = watch_ingest(known, window, look)
        profile = profile_ingest(look.basis, known, window)
        worst = max(worst, IngestGap().measure(world.full_baseline(), profile).value)
    return known, worst


def test_a_corpus_that_never_grows_is_never_dead() -> None:
    _, worst = arrivals(np.random.default_rng(1), 3000, 0.0)
    assert worst == 0.0


def test_arrivals_at_random_are_not_called_dead() -> None:
    rng = np.random.default_rng(2)
    dead = [arrivals(rng, 2000, share)[1] >= 3.0 for share in (0.9, 0.3, 0.05) for _ in range(12)]
    assert np.mean(dead) <= 0.06


def test_ingest_that_stops_is_found_by_the_windows_time() -> None:
    known, _ = arrivals(np.random.default_rng(3), 800, 0.9)
    assert known is not None
    later = world.span(800 + 3 * round(known.longest / 900) + 1)
    profile = profile_ingest(world.full_baseline().basis, known, later)
    assert IngestGap().measure(world.full_baseline(), profile).shift >= 3.0


@pytest.mark.parametrize("options", [{"factor": 0.5}, {"least": 0}, {"days": -1.0}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        IngestGap(**options)
