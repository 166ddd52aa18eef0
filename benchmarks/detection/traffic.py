"""Three kinds of traffic over a pool: independent draws, sessions, a daily cycle; something new may be mixed in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.detection.pool import WORDINGS, Pool
from monitor.records import IntArray

Kind = Literal["iid", "sessions", "daily"]
KINDS: tuple[Kind, ...] = ("iid", "sessions", "daily")
TURNS = 4.0
"""Mean questions of a session."""
LEAN = 0.5
"""A topic's share swings by this part of itself over the day, each topic with a peak hour of its own."""
WINDOWS_A_DAY = 96


@dataclass(frozen=True)
class Drawn:
    """What was asked in a window: positions in the pool ``(m,)`` and which wording of each ``(m,)``."""

    questions: IntArray
    wordings: IntArray


@dataclass(frozen=True)
class Traffic:
    """Draws the questions of a window; the same seed and window number give the same ones.

    Parameters
    ----------
    kind : {"iid", "sessions", "daily"}
        Independent uniform draws; sessions of geometric length (mean 4) that ask one question in several wordings; or
        independent draws whose topic mix follows the hour, ``share_t (1 + 0.5 cos(2 pi (h / 24 + t / T)))``.
    without : int, optional
        A topic that ordinary traffic never asks about.
    """

    pool: Pool
    kind: Kind = "iid"
    without: int | None = None

    def draw(self, rng: np.random.Generator, number: int, m: int, new: float = 0.0) -> Drawn:
        """Return ``m`` questions of window ``number``; each is of the topic left out with probability ``new``."""
        questions, wordings = self._ordinary(rng, number, m)
        if new > 0.0 and self.without is not None:
            strange = rng.random(m) < new
            questions[strange] = rng.choice(self.pool.of_topic(self.without), int(strange.sum()))
        return Drawn(questions, wordings)

    def _ordinary(self, rng: np.random.Generator, number: int, m: int) -> tuple[IntArray, IntArray]:
        known = np.flatnonzero(self.pool.topics != (-1 if self.without is None else self.without))
        if self.kind == "iid":
            return known[rng.integers(len(known), size=m)], np.zeros(m, dtype=np.int64)
        if self.kind == "daily":
            weights = self._mix(number)[self.pool.topics[known]]
            reach = np.cumsum(weights)
            places = np.searchsorted(reach, rng.random(m) * reach[-1], side="right")
            return known[np.minimum(places, len(known) - 1)], np.zeros(m, dtype=np.int64)
        lengths = rng.geometric(1.0 / TURNS, size=m)  # m sessions are more than enough
        begun = known[rng.integers(len(known), size=m)]
        asked = np.repeat(begun, lengths)[:m]
        return asked, rng.integers(WORDINGS, size=m)

    def _mix(self, number: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        topics = len(self.pool.topic_names)
        phase = 2.0 * math.pi * (number % WINDOWS_A_DAY / WINDOWS_A_DAY + np.arange(topics) / topics)
        mix: np.ndarray[tuple[int], np.dtype[np.float64]] = 1.0 + LEAN * np.cos(phase)
        return mix
