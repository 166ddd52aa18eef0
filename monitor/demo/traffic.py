"""Realistic traffic: a daily and weekly cycle, sessions within a module, a topic mix that leans with the hour."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitor.demo.material import Material

QUESTIONS_PER_HOUR = 400.0
TURNS = 1.6
"""Mean questions of a session."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One question: when, in which session, which (a position in the material)."""

    at: datetime
    session: int
    question: int


@dataclass(slots=True)
class Area:
    """One topic area: how much it is asked about, and the questions of each of its modules."""

    weight: float
    modules: list[NDArray[np.int64]]
    _reach: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        popularity = np.sqrt([len(m) for m in self.modules])
        self._reach = np.cumsum(popularity) / popularity.sum()

    def module(self, mood: float) -> NDArray[np.int64]:
        """Return the questions of the module that a number in [0, 1) falls on."""
        return self.modules[min(int(np.searchsorted(self._reach, mood, side="right")), len(self.modules) - 1)]


@dataclass(slots=True)
class Traffic:
    """Draws visits over the questions that users ask at present."""

    material: Material
    rng: np.random.Generator
    per_hour: float = QUESTIONS_PER_HOUR
    session: int = 0
    _areas: list[Area] = field(default_factory=list, repr=False)

    def ask(self, questions: NDArray[np.int64], *, interest: float = 1.0) -> None:
        """Let users ask these questions too from now on, ``interest`` times as often as what there was."""
        by_area: dict[str, dict[str, list[int]]] = {}
        for position in questions.tolist():
            modules = by_area.setdefault(self.material.areas[position], {})
            modules.setdefault(self.material.modules[position], []).append(position)
        self._areas += [
            Area(
                interest * math.sqrt(sum(map(len, modules.values()))),
                [np.array(m) for _, m in sorted(modules.items())],
            )
            for _, modules in sorted(by_area.items())
        ]

    def hour(self, start: datetime) -> Iterator[Visit]:
        """Yield the visits of the hour that begins at ``start``, in no order."""
        sessions = int(self.rng.poisson(self.per_hour * cycle(start) / TURNS))
        areas = self.rng.choice(len(self._areas), size=sessions, p=self._topic_mix(start))
        moods, began = self.rng.random(sessions), self.rng.uniform(0.0, 3600.0, sessions)
        turns = self.rng.geometric(1.0 / TURNS, sessions)
        for area, mood, first, count in zip(areas, moods, began, turns, strict=True):
            self.session += 1
            questions = self._areas[area].module(mood)
            for turn, place in enumerate(self.rng.integers(len(questions), size=count)):
                at = start + timedelta(seconds=min(3599.9, float(first) + 40.0 * turn))
                yield Visit(at, self.session, int(questions[place]))

    def _topic_mix(self, start: datetime) -> NDArray[np.float64]:
        """Return each area's share: by what there is to ask, leaning a little with the hour of the day."""
        weights = np.array([area.weight for area in self._areas])
        phase = 2.0 * math.pi * (start.hour / 24.0 + np.arange(len(weights)) / len(weights))
        leaning = weights * (1.0 + 0.1 * np.cos(phase))
        shares: NDArray[np.float64] = leaning / leaning.sum()
        return shares


def cycle(start: datetime) -> float:
    """Return an hour's volume relative to a weekday's mean: busy at 14 h UTC, quiet at night, half on weekends."""
    daily = 1.0 + 0.6 * math.cos(2.0 * math.pi * (start.hour - 14) / 24.0)
    return daily * (0.5 if start.weekday() >= 5 else 1.0)
