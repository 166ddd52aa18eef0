"""Realistic traffic: a daily and weekly cycle, sessions that stay with one module, a topic mix that leans with the hour."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitor.demo.material import Material

QUESTIONS_PER_HOUR = 220.0
TURNS = 2.0
"""Mean questions of a session."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One question: when, in which session, which (a position in the material)."""

    at: datetime
    session: int
    question: int


@dataclass(slots=True)
class Traffic:
    """Draws visits over the questions that users ask at present."""

    material: Material
    rng: np.random.Generator
    asked: NDArray[np.int64]
    session: int = 0
    _by_area: dict[str, list[NDArray[np.int64]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.ask(self.asked)

    def ask(self, questions: NDArray[np.int64]) -> None:
        """Let users ask these questions from now on."""
        self.asked = questions
        by_module: dict[tuple[str, str], list[int]] = {}
        for position in questions.tolist():
            key = (self.material.areas[position], self.material.modules[position])
            by_module.setdefault(key, []).append(position)
        self._by_area = {}
        for (area, _), positions in sorted(by_module.items()):
            self._by_area.setdefault(area, []).append(np.array(positions))

    def hour(self, start: datetime) -> Iterator[Visit]:
        """Yield the visits of the hour that begins at ``start``, in no order."""
        areas = sorted(self._by_area)
        mix = self._topic_mix(areas, start)
        for _ in range(self.rng.poisson(volume(start) / TURNS)):
            self.session += 1
            modules = self._by_area[areas[self.rng.choice(len(areas), p=mix)]]
            popularity = np.sqrt([len(m) for m in modules])
            questions = modules[self.rng.choice(len(modules), p=popularity / popularity.sum())]
            began = self.rng.uniform(0.0, 3600.0)
            for turn in range(int(self.rng.geometric(1.0 / TURNS))):
                at = start + timedelta(seconds=min(3599.9, began + 40.0 * turn))
                yield Visit(at, self.session, int(self.rng.choice(questions)))

    def _topic_mix(self, areas: list[str], start: datetime) -> NDArray[np.float64]:
        """Return each area's share: by what there is to ask, leaning a little with the hour of the day."""
        sizes = np.array([sum(len(m) for m in self._by_area[a]) for a in areas], dtype=np.float64)
        phase = 2.0 * math.pi * (start.hour / 24.0 + np.arange(len(areas)) / len(areas))
        weights = np.sqrt(sizes) * (1.0 + 0.1 * np.cos(phase))
        return weights / weights.sum()


def volume(start: datetime) -> float:
    """Return the expected questions of an hour: busy at 14 h UTC, quiet at night, half as many on weekends."""
    daily = 1.0 + 0.6 * math.cos(2.0 * math.pi * (start.hour - 14) / 24.0)
    return QUESTIONS_PER_HOUR * daily * (0.5 if start.weekday() >= 5 else 1.0)
