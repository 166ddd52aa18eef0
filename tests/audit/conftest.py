"""Two days of quiet hours in memory, and a baseline of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.audit import QuietWindow
from monitor.audit.history import Raw
from monitor.audit.scene import Scene, make_scene
from monitor.baseline import Baseline, WindowData
from monitor.baseline.counts import WindowCounts
from monitor.detectors.canary import Canary
from monitor.detectors.empty_results import EmptyResults
from monitor.judge.calibration import calibrate
from monitor.pipeline import QueryVectors
from monitor.records import Window
from monitor.wiring import wire_detectors
from tests.core_fakes import world

HOUR = 4 * world.QUARTER
DETECTORS = wire_detectors({})


@dataclass(frozen=True)
class Quiet:
    """A baseline and the windows that it was taken from."""

    baseline: Baseline
    windows: tuple[QuietWindow, ...]
    data: tuple[WindowData, ...]
    held: tuple[WindowCounts, ...]

    @property
    def span(self) -> tuple[Any, Any]:
        return self.windows[0].window.start, self.windows[-1].window.end

    @property
    def scene(self) -> Scene:
        return make_scene(self.baseline, [w.raw for w in self.windows if w.raw is not None], 7)


def hour(number: int) -> Window:
    return world.span(number, HOUR)


def quiet_window(baseline: Baseline, window: Window, data: WindowData, held: WindowCounts) -> QuietWindow:
    raw = Raw(data.sample, QueryVectors(data.vectors, data.ids))
    return QuietWindow(window, raw.profile(baseline), held, raw)


@cache
def make_quiet(count: int = 48, size: int = 200) -> Quiet:
    rng = np.random.default_rng(3)
    data = tuple(replace(world.make_window(rng, size, f"h{i}"), window=hour(i)) for i in range(count))
    corpus = world.make_corpus()
    _, suite = world.make_suite(corpus)
    baseline, held = world.build(data, corpus=corpus, suite=suite, canary=world.make_canary())
    windows = tuple(quiet_window(baseline, hour(i), data[i], held[i]) for i in range(count))
    baseline = calibrate(baseline, [w.profile for w in windows], held, DETECTORS)
    return Quiet(baseline, windows, data, held)


@pytest.fixture(scope="session")
def quiet() -> Quiet:
    return make_quiet()


@pytest.fixture(scope="session")
def probes() -> tuple[Any, ...]:
    """Two detectors whose power a sheet of paper gives."""
    return (EmptyResults(), Canary())
