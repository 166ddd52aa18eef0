"""The smallest shift that would be found in time, by laying larger and smaller ones into replayed windows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from monitor.audit.blocks import Blocks
from monitor.audit.scene import Scene
from monitor.audit.shifts import Shift
from monitor.audit.watch import State, Watch
from monitor.judge.spans import Past
from monitor.profile import Profile, merge

HORIZONS = (1, 4, 24)
"""Windows within which a shift is to be found."""
SHARE = 0.95
"""Share of the runs that must find it."""
VARIANTS = 8
"""New topics, halves of the cells and so on that runs take in turn."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the watch, where it stands when the shift begins, and the windows that have the shift, as places."""

    watch: Watch
    before: State
    places: tuple[int, ...]
    variant: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one kind: per horizon the smallest size, None where the largest was not found."""

    shift: Shift
    smallest: dict[int, float | None]
    fired: tuple[str, ...]
    """Streams that fired when the smallest was found within the longest horizon, the most frequent first."""
    least_log_p: float
    """The smallest logarithm of a p-value that the largest shift gave in one window; 0.0 where nothing was tried."""


def prepare_runs(
    watches: Sequence[Watch],
    quiet: Sequence[Past],
    blocks: Blocks,
    raw_blocks: Blocks,
    runs: int,
    seed: int,
) -> tuple[Run, ...]:
    """Return the runs: each has watched quiet windows for a while, against a baseline of its own.

    One that is in an incident by then starts from nothing: what it would find is its own false alarm.
    """
    prepared = []
    for number in range(runs):
        rng = np.random.default_rng([seed, 4, number])
        watch = watches[number % len(watches)]
        before = watch.follow(quiet[i] for i in blocks.draw(rng, max(HORIZONS)))
        if before.open:
            before = State()
        places = tuple(raw_blocks.draw(rng, max(HORIZONS)))
        prepared.append(Run(watch, before, places, number % VARIANTS))
    return tuple(prepared)


def find_smallest(
    scene: Scene, quiet: Sequence[Past], shift: Shift, runs: Sequence[Run], tick: Callable[[], None]
) -> Found:
    """Return the smallest size of each horizon that enough runs find; a larger shift is taken to be found sooner.

    Parameters
    ----------
    quiet : sequence of Past
        The log's part of the scene's windows as they were.
    tick : callable
        Called after each size.
    """
    trials = _Trials(scene, quiet, shift, runs, tick)
    smallest: dict[int, float | None] = {}
    least = 0
    for horizon in sorted(HORIZONS, reverse=True):
        least = _first(shift.sizes, least, partial(trials.passes, horizon=horizon))
        smallest[horizon] = shift.sizes[least] if least < len(shift.sizes) else None
    size = smallest[max(HORIZONS)]
    fired = trials.fired[size] if size is not None else Counter[str]()
    return Found(
        shift,
        {h: smallest[h] for h in HORIZONS},
        tuple(key for key, _ in fired.most_common()),
        trials.least_log_p,
    )


def count_unprovoked(scene: Scene, quiet: Sequence[Past], runs: Sequence[Run]) -> int:
    """Return how many of the runs find something within the longest horizon where nothing was laid in."""
    whole = [Past(seen.window, merge(seen.profile, scene.still)) for seen in quiet]
    return sum(
        _time_to_find(run, lambda place, _: whole[place], max(HORIZONS))[0] is not None for run in runs
    )


def _first(sizes: Sequence[float], least: int, passes: Callable[[float], bool]) -> int:
    """Return the first place from ``least`` on that passes, by bisection; the number of sizes if none does."""
    low, high = least, len(sizes)
    if low < high and not passes(sizes[-1]):
        return high
    high -= 1
    while low < high:
        middle = (low + high) // 2
        if passes(sizes[middle]):
            high = middle
        else:
            low = middle + 1
    return low


def _time_to_find(run: Run, window: Callable[[int, int], Past], horizon: int) -> tuple[int | None, State]:
    """Return the number of the window that opens an incident (None for none of them) and the state after it."""
    state = run.before
    for number, place in enumerate(run.places[:horizon], 1):
        state = run.watch.judge(state, window(place, run.variant))
        if state.opened:
            return number, state
    return None, state


@dataclass(slots=True)
class _Trials:
    """The runs of one kind of shift; what a run found is kept, so that a shorter horizon asks nothing anew."""

    scene: Scene
    quiet: Sequence[Past]
    shift: Shift
    runs: Sequence[Run]
    tick: Callable[[], None]
    fired: dict[float, Counter[str]] = field(default_factory=dict)
    least_log_p: float = 0.0
    _windows: dict[tuple[float, int, int], Past] = field(default_factory=dict)
    _beside: dict[tuple[float, int], Profile] = field(default_factory=dict)
    _times: dict[tuple[float, int], tuple[int | None, int]] = field(default_factory=dict)

    def passes(self, size: float, horizon: int) -> bool:
        """Return whether enough runs find this size in time; ends as soon as too many have missed it."""
        allowed = len(self.runs) - math.ceil(SHARE * len(self.runs) - 1e-9)
        missed = 0
        for number in range(len(self.runs)):
            time = self._time(size, number, horizon)
            missed += time is None or time > horizon
            if missed > allowed:
                break
        self.tick()
        return missed <= allowed

    def _time(self, size: float, number: int, horizon: int) -> int | None:
        known = self._times.get((size, number))
        if known is not None and (known[0] is not None or known[1] >= horizon):
            return known[0]
        time, state = _time_to_find(
            self.runs[number], lambda place, variant: self._window(size, place, variant), horizon
        )
        self._times[size, number] = (time, horizon)
        if time is not None:
            self.fired.setdefault(size, Counter()).update(state.verdict.fired)
        if size == self.shift.sizes[-1]:
            log_p = [r.log_p for r in state.readings if r.status == "ok" and r.log_p is not None]
            self.least_log_p = min([self.least_log_p, *log_p])
        return time

    def _window(self, size: float, place: int, variant: int) -> Past:
        key = (size, place, variant)
        if key not in self._windows:
            window, scene = self.shift.window, self.scene
            own = (
                self.quiet[place].profile
                if window is None
                else window(scene, place, size, variant).profile(scene.baseline)
            )
            self._windows[key] = Past(self.quiet[place].window, merge(own, self._look(size, variant)))
        return self._windows[key]

    def _look(self, size: float, variant: int) -> Profile:
        if self.shift.beside is None:
            return self.scene.still
        if (size, variant) not in self._beside:
            self._beside[size, variant] = self.shift.beside(self.scene, size, variant)
        return self._beside[size, variant]
