"""Shifts of a known size, laid into real windows: what would have to happen before anyone is told?

Every shift is a function of a size and of a *variant*, a small whole number that seeds what the size leaves open: which
topic is new, which documents are lost. The chances are drawn once per record, so that a larger shift holds the smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from monitor.audit.history import Raw
from monitor.audit.scene import Scene, ask_suite, exchange, look_at_corpus
from monitor.baseline.window_profile import profile_canaries
from monitor.profile import Profile
from monitor.records import FloatArray, VectorArray

LEAST_TOPIC = 5
"""A cell with fewer questions than this makes no topic."""
_HALF = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
_WHOLE = (*_HALF, 0.7, 1.0)
_DEGREES = (0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0, 90.0)
_DEVIATIONS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class Shift:
    """A kind of shift: its sizes to try, how one is told, what it needs, and the profile of a window that has it."""

    name: str
    unit: str
    """How a size is written."""
    what: str
    """What happens; read after the size."""
    sizes: tuple[float, ...]
    window: Callable[[Scene, int, float, int], Raw] | None = None
    """The window as it would have been, from the scene, its place, the size and the variant; None leaves it."""
    beside: Callable[[Scene, float, int], Profile] | None = None
    """What index, suite and canaries would have shown, from the scene, the size and the variant; None: they stand."""
    lacks: Callable[[Scene], str | None] = lambda _: None
    """What a collection lacks for it."""

    def tell(self, size: float) -> str:
        """Return a shift of this size in words."""
        return f"{self.unit.format(size=size)} {self.what}"


def _new_topic(scene: Scene, place: int, size: float, variant: int) -> Raw:
    """Let a share of the questions be about a topic that lies as far off and is as wide as one that users have.

    A real cell's vectors are turned about the mean by one shuffle of the axes, with signs.
    """
    rows = scene.rows[scene.own(place)].copy()
    new = np.flatnonzero(scene.chances(variant, place, len(rows)) < size)
    topic = _topic(scene, variant)
    drawn = scene.inside(variant, place, use=1).integers(len(topic), size=len(rows))
    rows[new] = topic[drawn[new]]
    return scene.with_vectors(place, rows)


def _topic(scene: Scene, variant: int) -> FloatArray:
    rng = scene.throughout(variant)
    sizes = np.bincount(scene.cells[scene.cells >= 0], minlength=1)
    cells = np.flatnonzero(sizes >= LEAST_TOPIC)
    members = scene.cells == rng.choice(cells) if len(cells) else scene.cells >= 0
    rows = scene.rows[members].astype(np.float64)
    if scene.baseline.normalise:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mean = scene.baseline.populations["queries"].mean
    order, signs = rng.permutation(rows.shape[1]), rng.choice([-1.0, 1.0], size=rows.shape[1])
    return np.asarray(mean + (rows - mean)[:, order] * signs, dtype=np.float64)


def _reweighting(scene: Scene, place: int, size: float, variant: int) -> Raw:
    """Let a share of the questions move from one half of the topics to the other, with what they were answered."""
    own = scene.own(place)
    gaining = np.isin(scene.cells, _gaining_cells(scene, variant))
    losing = (scene.cells[own] >= 0) & ~gaining[own]
    pool = np.flatnonzero(gaining)
    if not losing.any() or not len(pool):
        return scene.raws[place]
    moving = losing & (scene.chances(variant, place, len(losing)) < size / losing.mean())
    taken = pool[scene.inside(variant, place, use=1).integers(len(pool), size=len(losing))]
    raw = scene.raws[place]
    rows = np.where(moving[:, None], scene.rows[taken], scene.rows[own])
    others = {raw.queries.ids[i]: scene.records[taken[i]] for i in np.flatnonzero(moving).tolist()}
    records = tuple(
        replace(r, hits=others[r.id].hits, scores=others[r.id].scores) if r.id in others else r
        for r in raw.sample.records
    )
    sample, queries = replace(raw.sample, records=records), replace(raw.queries, vectors=rows)
    return replace(raw, sample=sample, queries=queries)


def _gaining_cells(scene: Scene, variant: int) -> list[int]:
    """Return cells that together hold about half of the questions."""
    occupancy = scene.baseline.populations["queries"].cells
    order = scene.throughout(variant).permutation(len(occupancy))
    held = np.cumsum(occupancy[order])
    return [int(cell) for cell in order[: 1 + int(np.searchsorted(held, held[-1] / 2.0))]]


def _rotation(scene: Scene, place: int, size: float, variant: int) -> Raw:
    """Turn every vector that the live model made by an angle, in planes of two axes drawn by chance."""
    if not scene.logs_vectors:
        return scene.raws[place]  # the reference model placed these texts, and it stays
    return scene.with_vectors(place, _turn(scene.rows[scene.own(place)], size, scene.throughout(variant)))


def _turned_canaries(scene: Scene, size: float, variant: int) -> Profile:
    canary = scene.baseline.canary
    if canary is None:
        return scene.still
    turned = _turn(canary.vectors, size, scene.throughout(variant))
    return exchange(scene.still, profile_canaries(scene.baseline, turned))


def _turn(rows: VectorArray, degrees: float, rng: np.random.Generator) -> VectorArray:
    axes = rng.permutation(rows.shape[1])
    half = len(axes) // 2
    first, second = axes[:half], axes[half : 2 * half]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = rows.copy()
    turned[:, first] = cosine * rows[:, first] - sine * rows[:, second]
    turned[:, second] = sine * rows[:, first] + cosine * rows[:, second]
    return turned


def _scores(scene: Scene, place: int, size: float, _: int) -> Raw:
    """Make every score worse by so many standard deviations of the best ones."""
    by = size * scene.score_spread * (-1.0 if scene.baseline.direction == "similarity" else 1.0)
    return scene.with_records(
        place, lambda r, _: replace(r, scores=tuple(s + by for s in r.scores)) if r.scores else r
    )


def _empty_answers(scene: Scene, place: int, size: float, variant: int) -> Raw:
    """Let a share of the answers be empty."""
    chances = scene.chances(variant, place, len(scene.raws[place].sample.records))
    return scene.with_records(
        place, lambda r, i: replace(r, hits=(), scores=None) if chances[i] < size else r
    )


def _changed_vectors(scene: Scene, size: float, variant: int) -> Profile:
    """Let a share of the documents that are fetched again have other vectors."""
    corpus = scene.baseline.corpus
    if corpus is None:
        return scene.still
    vectors = corpus.vectors.copy()
    vectors[scene.throughout(variant).random(len(vectors)) < size] *= -1.0
    return exchange(scene.still, look_at_corpus(scene.baseline, vectors))


def _lost_documents(scene: Scene, size: float, variant: int) -> Profile:
    """Let a share of the judged documents be missing from every answer of the index."""
    suite = scene.baseline.suite
    judged = sorted({document for relevant in suite.relevant for document in relevant}) if suite else []
    chances = scene.throughout(variant).random(len(judged))
    lost = frozenset(d for d, chance in zip(judged, chances, strict=True) if chance < size)
    return exchange(scene.still, ask_suite(scene.baseline, lost))


def _lacks_questions(scene: Scene) -> str | None:
    return None if (scene.cells >= 0).any() else "the windows hold no usable query vector"


def _lacks_vectors(scene: Scene) -> str | None:
    seen = scene.logs_vectors or scene.baseline.canary is not None
    return None if seen else "the log carries no vectors and there are no canaries"


def _lacks_scores(scene: Scene) -> str | None:
    return None if scene.baseline.score_edges and scene.score_spread > 0.0 else "the log carries no scores"


def _lacks_index(scene: Scene) -> str | None:
    corpus = scene.baseline.corpus
    return None if corpus is not None and corpus.ids else "the baseline has seen no index"


def _lacks_suite(scene: Scene) -> str | None:
    return None if scene.baseline.suite is not None else "there is no suite"


SHIFTS: tuple[Shift, ...] = (
    Shift(
        "new_topic",
        "{size:.0%}",
        "of the questions on a new topic",
        _WHOLE,
        _new_topic,
        lacks=_lacks_questions,
    ),
    Shift(
        "reweighting",
        "{size:.0%}",
        "of the questions moved to other known topics",
        _HALF,
        _reweighting,
        lacks=_lacks_questions,
    ),
    Shift(
        "rotation",
        "{size:g}°",
        "of turn in the vectors of the live model",
        _DEGREES,
        _rotation,
        _turned_canaries,
        _lacks_vectors,
    ),
    Shift(
        "scores",
        "{size:g} sd",
        "lost by every score (sd of the best scores)",
        _DEVIATIONS,
        _scores,
        lacks=_lacks_scores,
    ),
    Shift("empty_answers", "{size:.0%}", "of the answers empty", _WHOLE, _empty_answers),
    Shift(
        "changed_vectors",
        "{size:.0%}",
        "of the stored document vectors changed",
        _WHOLE,
        beside=_changed_vectors,
        lacks=_lacks_index,
    ),
    Shift(
        "lost_documents",
        "{size:.0%}",
        "of the judged documents gone from the answers",
        _WHOLE,
        beside=_lost_documents,
        lacks=_lacks_suite,
    ),
)
