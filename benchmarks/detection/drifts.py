"""Drifts of a known size on questions of a real pool, each of one kind: where a chart is blind, the next may see."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from scipy.linalg import expm

from benchmarks.detection.pool import EPOCH, HITS, Pool
from monitor.demo.material import load_material
from monitor.records import FloatArray, IntArray, Record, VectorArray

CLICKED = 0.3
AGAIN = 0.01
"""Share of log entries that come twice, in quiet windows."""
LENGTHS = 0.1
"""Raw norms scatter by this part of themselves."""
SESSION = 4
"""Questions of a session."""


@dataclass(frozen=True)
class Asked:
    """One window: questions by position, vectors ``(m, d)``; top score, margin and click of each ``(m,)``."""

    questions: IntArray
    vectors: VectorArray
    top: FloatArray
    margin: FloatArray
    clicked: FloatArray
    duplicates: int


Drift = Callable[[np.random.Generator, Asked], Asked]


@dataclass(frozen=True)
class Surface:
    """A pool as quiet traffic: uniform draws of its questions, a little of their own in every score.

    ``shares (n,)`` are the questions' probabilities.
    """

    pool: Pool
    shares: FloatArray

    def ask(self, rng: np.random.Generator, m: int, shares: FloatArray | None = None) -> Asked:
        """Return a window of ``m`` questions, under other ``shares`` if they are given."""
        drawn = rng.choice(len(self.shares), size=m, p=self.shares if shares is None else shares)
        lengths = np.exp(LENGTHS * np.random.default_rng(8).standard_normal(len(self.shares)))[drawn]
        scores = self.pool.scores[drawn, 0].astype(np.float64)
        own = np.array(
            [_width(self.pool.scores[:, 0, 0]), _width(self.pool.scores[:, 0, 0] - self.pool.scores[:, 0, 1])]
        )
        top = scores[:, 0] + own[0] * rng.standard_normal(m)
        margin = np.abs(scores[:, 0] - scores[:, 1] + own[1] * rng.standard_normal(m))
        return Asked(
            drawn,
            (self.pool.vectors[drawn, 0] * lengths[:, None]).astype(np.float32),
            top,
            margin,
            (rng.random(m) < CLICKED).astype(np.float64),
            int(rng.binomial(m, AGAIN)),
        )


def _width(values: VectorArray) -> float:
    """Return a tenth of the median distance from the median: real scores have no two alike."""
    return 0.1 * float(np.median(np.abs(values - np.median(values))))


def records(asked: Asked, prefix: str) -> list[Record]:
    """Return the window's log; the ids decide which half of the baseline a record is in."""
    hits = tuple(f"d{i}" for i in range(HITS))
    falling = np.arange(HITS - 1) * 0.01
    scores = np.concatenate(
        [asked.top[:, None], (asked.top - asked.margin)[:, None] - falling[None, :]], axis=1
    ).tolist()
    return [
        Record(
            f"{prefix}-{i}",
            EPOCH + timedelta(milliseconds=i),
            vector=asked.vectors[i],
            hits=hits,
            scores=tuple(scores[i]),
            segments={"session": f"{prefix}-{i // SESSION}"},
            feedback={"clicked": float(asked.clicked[i])},
        )
        for i in range(len(asked.questions))
    ]


def drifts(surface: Surface, new: FloatArray) -> Mapping[str, Drift]:
    """Return the drifts by name; ``new (n,)`` are the shares of a topic that nobody asked about before."""
    pool = surface.pool
    vectors = pool.vectors[:, 0].astype(np.float64)
    known: dict[str, Drift] = {
        "nothing": lambda _, asked: asked,
        **{
            f"{share:.0%} of a new topic": _reshared(surface, (1 - share) * surface.shares + share * new)
            for share in (0.02, 0.05, 0.1)
        },
        "topics by turns x 1.25 and x 0.75": _reshared(
            surface, _normal(surface.shares * np.where(pool.topics % 2 == 0, 1.25, 0.75))
        ),
        "one question is 2% of all": _reshared(surface, _repeated(surface.shares, 0.02)),
        "questions huddle, same mean": _reshared(surface, _huddled(surface.shares, vectors)),
        "space turned by 1 degree": _turned(vectors.shape[1], 1.0),
        "space turned by 5 degrees": _turned(vectors.shape[1], 5.0),
        "noise of a tenth of the norm": _noised,
        "norms x 1.03": lambda _, asked: replace(asked, vectors=(asked.vectors * 1.03).astype(np.float32)),
        "top score lower by 0.1 sd": lambda _, asked: replace(asked, top=asked.top - 0.1 * asked.top.std()),
        "top scores drawn to the middle of their decile": _same_deciles(pool),
        "margins smaller by 5%": lambda _, asked: replace(asked, margin=asked.margin * 0.95),
        "clicks 30% to 25%": lambda rng, asked: replace(
            asked, clicked=asked.clicked * (rng.random(len(asked.clicked)) < 25 / 30)
        ),
        "1 in 20 questions asked again in other words": _asked_again,
        "log entries twice 1% to 3%": lambda rng, asked: replace(
            asked, duplicates=asked.duplicates + int(rng.binomial(len(asked.questions), 0.02))
        ),
    }
    if pool.name == "demo":
        known["vectors quantised to int8"] = _quantised(load_material().queries["int8"])
    return known


def _normal(weights: FloatArray) -> FloatArray:
    shares: FloatArray = weights / weights.sum()
    return shares


def _reshared(surface: Surface, shares: FloatArray) -> Drift:
    return lambda rng, asked: surface.ask(rng, len(asked.questions), shares)


def _repeated(shares: FloatArray, share: float) -> FloatArray:
    repeated = (1.0 - share) * shares
    repeated[int(np.flatnonzero(shares)[7])] += share
    return repeated


def _huddled(shares: FloatArray, vectors: FloatArray, directions: int = 8, kept: int = 80) -> FloatArray:
    """Return shares under which the questions vary less along the first directions, while their mean stays."""
    mean = shares @ vectors
    centred = vectors - mean
    values, axes = np.linalg.eigh((centred * shares[:, None]).T @ centred)
    places = centred @ axes[:, ::-1][:, :kept]
    middle = (places[:, :directions] ** 2 / values[::-1][:directions]).mean(axis=1)
    weights = shares * (2.0 - middle).clip(0.05)
    for _ in range(5):  # towards zero mean, by a factor that is linear in the place
        moved = (weights[:, None] * places).sum(axis=0)
        pull = np.linalg.solve(
            (places * weights[:, None]).T @ places + 1e-3 * weights.sum() * values[-1] * np.eye(kept), moved
        )
        weights = weights * (1.0 - places @ pull).clip(0.05, 3.0)
    return _normal(weights)


def _turned(d: int, degrees: float) -> Drift:
    """Return a turn that moves a typical vector by ``degrees``."""
    skew = np.random.default_rng(9).standard_normal((d, d))
    skew -= skew.T
    skew /= math.sqrt(float(np.mean(np.abs(np.linalg.eigvals(skew)) ** 2)))
    turn = expm(math.radians(degrees) * skew).astype(np.float32)
    return lambda _, asked: replace(asked, vectors=(asked.vectors @ turn).astype(np.float32))


def _noised(rng: np.random.Generator, asked: Asked) -> Asked:
    size = 0.1 * np.linalg.norm(asked.vectors, axis=1, keepdims=True) / math.sqrt(asked.vectors.shape[1])
    noise = rng.standard_normal(asked.vectors.shape)
    return replace(asked, vectors=(asked.vectors + size * noise).astype(np.float32))


def _quantised(vectors: VectorArray) -> Drift:
    unit = vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)

    def quantise(_: np.random.Generator, asked: Asked) -> Asked:
        lengths = np.linalg.norm(asked.vectors, axis=1, keepdims=True)
        return replace(asked, vectors=(unit[asked.questions] * lengths).astype(np.float32))

    return quantise


def _same_deciles(pool: Pool) -> Drift:
    scores = pool.scores[:, 0, 0].astype(np.float64)
    edges = np.quantile(scores, np.arange(1, 10) / 10)
    middles = np.array([np.median(scores[np.searchsorted(edges, scores) == i]) for i in range(10)])

    def draw(_: np.random.Generator, asked: Asked) -> Asked:
        decile = np.searchsorted(edges, asked.top)
        # The outer deciles are long: there the middle would be far from the edge and the change too easy to see.
        return replace(asked, top=0.4 * asked.top + 0.6 * middles[decile])

    return draw


def _asked_again(rng: np.random.Generator, asked: Asked) -> Asked:
    """Let one in twenty questions follow a similar one of its session."""
    m = len(asked.questions)
    again = np.flatnonzero((rng.random(m) < 0.05) & (np.arange(m) % SESSION > 0))
    step = rng.standard_normal((len(again), asked.vectors.shape[1]))
    step *= 0.4 / np.linalg.norm(step, axis=1, keepdims=True)
    vectors = asked.vectors.copy()
    vectors[again] = vectors[again - 1] + step.astype(np.float32)
    return replace(asked, vectors=vectors)
