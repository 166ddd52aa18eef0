"""Causes as they happen to a RAG service: each at a random size, each with what it does to index, models and log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.detection.pool import unit
from benchmarks.detection.service import Exact, Lookup, Place, Telling, span, with_texts
from monitor.baseline.ingest import watch_ingest
from monitor.pipeline import History
from monitor.profile import counts_profile
from monitor.protocols import Embedder, Index
from monitor.records import CorpusSample, Ingest, IntArray, Ranking, Record, Rejection, VectorArray

Entries = Sequence[Record | Rejection]
WATCHED = 8 * 96
"""Windows of ordinary arrivals before a run: eight days."""


@dataclass(frozen=True)
class World:
    """The service as one cause has left it.

    ``strange`` is the share of questions about something new, ``arrivals`` the documents that come window by window,
    ``logged`` what becomes of the log; ``growing`` says whether documents came before.
    """

    index: Index
    live: Embedder
    strange: float = 0.0
    arrivals: IntArray | None = None
    growing: bool = False
    logged: Callable[[list[Record], np.random.Generator], Entries] | None = None

    def at(self, here: Place, number: int, step: int) -> tuple[Entries, Index]:
        """Return the log and the index of window ``number``, the ``step``-th of the run."""
        index = self.index
        if self.arrivals is not None and isinstance(index, Exact):
            come = self.arrivals[: TRICKLE * (step + 1)]
            more = here.index(come)
            index = Exact([*index.ids, *more.ids], np.concatenate([index.vectors, more.vectors]))
        log = here.ask(number, index, self.live, self.strange)
        if self.logged is not None:
            return self.logged(log, np.random.default_rng([3, number])), index
        return log, index

    def history(self, rng: np.random.Generator, first: int) -> History:
        """Return what the windows before the run left behind."""
        if not self.growing:
            return History()
        return History(ingest=_arrived(rng, first, self.index.sample(1).size))


TRICKLE = 2
"""Documents that come with a window."""
Make = Callable[[Place, np.random.Generator], World]


def quiet(here: Place, rng: np.random.Generator) -> World:
    """Nothing happens; half of the corpora grow as ever."""
    world = _ordinary(here)
    if rng.random() < 0.5:
        return replace(world, arrivals=rng.permutation(here.documents(here.reserve)), growing=True)
    return world


def empty_results(here: Place, rng: np.random.Generator) -> World:
    """Answer 10 to 100% of the questions with nothing: a filter or a tenant went missing."""
    share = rng.uniform(0.1, 1.0)

    def logged(log: list[Record], chance: np.random.Generator) -> Entries:
        gone = chance.random(len(log)) < share
        return [replace(r, hits=(), scores=None) if out else r for r, out in zip(log, gone, strict=True)]

    return replace(_ordinary(here), logged=logged)


def model_query_side(here: Place, rng: np.random.Generator) -> World:
    """Embed questions by the other model, or by the one in place after a turn as a fine-tuning makes it."""
    size = rng.choice([0.05, 0.15, 0.4, 9.0])
    live = here.model(foreign=True) if size > 1.0 else _turned(here, rng, size)
    return replace(_ordinary(here), live=live)


def model_reembedded(here: Place, rng: np.random.Generator) -> World:
    """Embed all documents by the other model, or after a turn; in two of three cases the questions follow."""
    size = rng.choice([0.15, 0.4, 9.0])
    live = here.model(foreign=True) if size > 1.0 else _turned(here, rng, size)
    rows = here.documents(here.known)
    index = here.index(rows, live.tables["document"][rows])
    return World(index, live if rng.random() < 2 / 3 else here.embedder)


def model_mixed_index(here: Place, rng: np.random.Generator) -> World:
    """Embed 5 to 90% of the documents, or those that come (10 to 40% more, their texts known), by the other model."""
    foreign = here.model(foreign=True).tables["document"]
    if rng.random() < 0.7:
        rows = here.documents(here.known)
        moved = rng.random(len(rows)) < np.exp(rng.uniform(np.log(0.05), np.log(0.9)))
        vectors = np.where(moved[:, None], foreign[rows], here.material.documents.vectors[rows])
        return World(here.index(rows, vectors), here.embedder)
    return World(_joined_by_foreign(here, rng), here.embedder)


def mixed_without_texts(here: Place, rng: np.random.Generator) -> World:
    """Embed the documents that come by the other model; nobody can read their texts."""
    return World(_joined_by_foreign(here, rng).inner, here.embedder)


def mixed_twentieth(here: Place, rng: np.random.Generator) -> World:
    """Embed 5% of the documents by the other model."""
    rows = here.documents(here.known)
    moved = np.zeros(len(rows), dtype=bool)
    moved[rng.permutation(len(rows))[: round(0.05 * len(rows))]] = True
    foreign = here.model(foreign=True).tables["document"]
    vectors = np.where(moved[:, None], foreign[rows], here.material.documents.vectors[rows])
    return World(here.index(rows, vectors), here.embedder)


def edited(here: Place, rng: np.random.Generator) -> World:
    """Write 2 to 15% of the documents anew: half of them a little, half about another thing. No cause at all."""
    rows = here.documents(here.known)
    vectors = here.material.documents.vectors[rows].copy()
    spare = here.material.documents.vectors[here.documents(here.reserve)]
    for i in rng.permutation(len(rows))[: int(rng.uniform(0.02, 0.15) * len(rows))]:
        other = spare[rng.integers(len(spare))]
        weight = 1.0 if rng.random() < 0.5 else rng.uniform(0.1, 0.4)
        vectors[i] = (1.0 - weight) * vectors[i] + weight * other
    return World(here.index(rows, unit(vectors)), here.embedder)


@dataclass(frozen=True)
class Forgetful:
    """An approximate index that holds every document and does not reach some of them in a search."""

    held: Exact
    reached: Exact

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Search what can be reached."""
        return self.reached.search(vectors, k)

    def sample(self, n: int) -> CorpusSample:
        """Return the sample of what is held."""
        return self.held.sample(n)


def index_degraded(here: Place, rng: np.random.Generator) -> World:
    """Lose 15 to 50% of the documents, or hold them all and not reach so many."""
    rows = here.documents(here.known)
    kept = np.sort(rng.permutation(rows)[: int(rng.uniform(0.5, 0.85) * len(rows))])
    reached = here.index(kept)
    index: Index = Forgetful(here.index(rows), reached) if rng.random() < 0.5 else reached
    return World(index, here.embedder)


def chunking(here: Place, rng: np.random.Generator) -> World:
    """Cut the texts anew, of 30 to 100% of the sources; of all of them where ids name none, or stay what they were."""
    same_scheme = here.day % 2 == 0 and rng.random() < 0.3
    share = rng.uniform(0.3, 1.0) if here.day % 2 == 0 and not same_scheme else 1.0
    sources = rng.permutation(here.known)[: int(share * len(here.known))]
    old = here.documents(np.setdiff1d(here.known, sources))
    cut = here.material.cut_otherwise
    rows = np.flatnonzero(np.isin(cut.sources, sources))
    index = here.index(old)
    names = [cut.ids[i].replace("/part-", "#") if same_scheme else cut.ids[i] for i in rows]
    ids = [*index.ids, *map(here.name, names)]
    return World(Exact(ids, np.concatenate([index.vectors, cut.vectors[rows]])), here.embedder)


def ingest_dead(here: Place, rng: np.random.Generator) -> World:
    """Stop the documents that came with every window or two."""
    del rng
    return replace(_ordinary(here), growing=True)


def corpus_shift(here: Place, rng: np.random.Generator) -> World:
    """Add documents of topics that nothing was about, 60 to 100% of what there is; users ask what they asked."""
    new = here.documents(here.strange)
    come = rng.permutation(new)[: int(rng.uniform(0.6, 1.0) * len(new))]
    return World(here.index(np.concatenate([here.documents(here.known), come])), here.embedder)


def corpus_growth(here: Place, rng: np.random.Generator) -> World:
    """Add 30% or more documents of the topics that there were, the same mix."""
    known, new = here.documents(here.known), here.documents(here.reserve)
    count = int(rng.uniform(0.3 * len(known), len(new)))
    return World(here.index(np.concatenate([known, rng.permutation(new)[:count]])), here.embedder)


def questions(here: Place, rng: np.random.Generator) -> World:
    """Ask in 15 to 60% of the cases about topics that nobody asked about before."""
    return replace(_ordinary(here), strange=rng.uniform(0.15, 0.6))


def score_scale(here: Place, rng: np.random.Generator) -> World:
    """Log scores on another scale: times 0.7 to 0.9 or 1.1 to 1.4, or moved by 0.1 to 0.3."""
    factor = rng.choice([rng.uniform(0.7, 0.9), rng.uniform(1.1, 1.4), 1.0])
    step = 0.0 if factor != 1.0 else float(rng.choice([-1, 1]) * rng.uniform(0.1, 0.3))

    def logged(log: list[Record], _: np.random.Generator) -> Entries:
        return [replace(r, scores=tuple(s * factor + step for s in r.scores or ())) for r in log]

    return replace(_ordinary(here), logged=logged)


def logging(here: Place, rng: np.random.Generator) -> World:
    """Lose scores or texts of 40 to 100% of the records, spoil 12 to 48% of the lines, double or lose most records."""
    kind, share = str(rng.choice(["scores", "texts", "rejected", "doubled", "collapse"])), rng.uniform(0.4, 1)

    def logged(log: list[Record], chance: np.random.Generator) -> Entries:
        hit = chance.random(len(log)) < (share if kind != "rejected" else 0.6 * share - 0.12)
        pairs = list(zip(log, hit.tolist(), strict=True))
        if kind == "scores":
            return [replace(r, scores=None) if out else r for r, out in pairs]
        if kind == "texts":
            return [replace(r, text=None) if out else r for r, out in pairs]
        if kind == "rejected":
            return [Rejection("broken line", f"line {i}") if out else r for i, (r, out) in enumerate(pairs)]
        if kind == "doubled":
            return [*log, *(r for r, out in pairs if out)]
        return log[: round(0.1 * share * len(log))]

    return replace(_ordinary(here), logged=logged)


CAUSES: Mapping[str, Make] = {
    make.__name__: make
    for make in (
        empty_results,
        model_query_side,
        model_reembedded,
        model_mixed_index,
        index_degraded,
        chunking,
        ingest_dead,
        corpus_shift,
        corpus_growth,
        questions,
        score_scale,
        logging,
    )
}
"""Every cause that the attribution can name, by that name."""
BESIDE: Mapping[str, Make] = {
    make.__name__: make for make in (quiet, edited, mixed_twentieth, mixed_without_texts)
}
"""Nothing, what is no cause, and two hard cases of one."""


def _ordinary(here: Place) -> World:
    return World(here.whole(), here.embedder)


def _joined_by_foreign(here: Place, rng: np.random.Generator) -> Telling:
    known, new = here.documents(here.known), here.documents(here.reserve)
    come = rng.permutation(new)[: int(rng.uniform(0.1, 0.4) * len(known))]
    foreign = here.model(foreign=True).tables["document"]
    vectors = np.concatenate([here.material.documents.vectors[known], foreign[come]])
    return with_texts(here, here.index(np.concatenate([known, come]), vectors))


def _turned(here: Place, rng: np.random.Generator, size: float) -> Lookup:
    """Return the model in place after a rotation: the orthogonal factor of ``I + size G``."""
    d = here.material.questions.shape[1]
    q, r = np.linalg.qr(np.eye(d) + size * rng.normal(size=(d, d)) / np.sqrt(d))
    turn = (q * np.sign(np.diag(r))).astype(np.float32)
    return Lookup({name: rows @ turn for name, rows in here.embedder.tables.items()})


def _arrived(rng: np.random.Generator, first: int, size: int) -> Ingest | None:
    """Return the watch of eight days in which documents came with 98 of 100 windows, the last among them."""
    known: Ingest | None = None
    for number in range(first - WATCHED, first):
        come = rng.random() < 0.98 or number == first - 1
        arrived = size + number - first if come else (0 if known is None else known.size)
        known = watch_ingest(
            known, span(number), counts_profile("watched", corpus__looked=1, corpus__size=arrived)
        )
    return None if known is None else replace(known, size=size)
