"""What a broken edge may hand over: numbers that are none, shapes that do not fit, ids that nobody gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from monitor.pipeline import Collection
from monitor.protocols import Embedder, TextKind
from monitor.records import CorpusSample, Ranking, Record, VectorArray
from tests.core_fakes import rag, world

Spoil = Callable[[Any], Any]

NUMBERS = {
    "NaN": np.nan,
    "Inf": np.inf,
    "-Inf": -np.inf,
    "zero": 0.0,
    "negative zero": -0.0,
    "subnormal": 1e-45,
    "squares to zero": 1e-30,
    "squares to Inf": 3e38,
    "beyond float32": 1e300,
}
SHARES = (0.02, 0.3, 1.0)


@dataclass(frozen=True)
class Case:
    """One way in which edges are broken, and whether a window with it may still be called quiet."""

    name: str
    change: Callable[[Collection], Collection]
    may_be_quiet: bool = True


@dataclass(frozen=True)
class SpoiltEmbedder:
    """An embedder whose answer goes through ``spoil``."""

    spoil: Spoil
    inner: Embedder = field(default_factory=world.FakeEmbedder)

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        spoilt: VectorArray = self.spoil(self.inner.embed(texts, kind))
        return spoilt

    def describe(self) -> str:
        return "broken"


@dataclass(frozen=True)
class SpoiltIndex:
    """An index whose answers and samples go through functions."""

    inner: world.FakeIndex
    answer: Spoil = lambda ranking: ranking
    look: Spoil = lambda corpus: corpus

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        with np.errstate(all="ignore"):  # an index of one's own says nothing of NaN; the answer tells it
            ranking: Ranking = self.answer(self.inner.search(vectors, k))
        return ranking

    def sample(self, n: int) -> CorpusSample:
        corpus: CorpusSample = self.look(self.inner.sample(n))
        return corpus

    def describe(self) -> str:
        return "broken"


def spoil_rows(number: float, share: float, *, whole: bool) -> Spoil:
    """Return a function that puts ``number`` into a share of an array's rows, everywhere or in one place."""

    def spoil(rows: VectorArray) -> VectorArray:
        spoilt = np.array(rows, dtype=np.float32)
        chosen = _first(len(spoilt), share)
        with np.errstate(over="ignore"):
            spoilt[chosen, slice(None) if whole else 1] = np.float64(number)
        return spoilt

    return spoil


def _first(n: int, share: float) -> slice:
    return slice(0, max(1, round(n * share)))


def every_case() -> Iterator[Case]:
    """Yield each single way, in a fixed order."""
    yield from _numbers()
    yield from _log_shapes()
    yield from _embedder_shapes()
    yield from _answers()
    yield from _samples()


def _numbers() -> Iterator[Case]:
    for word, number in NUMBERS.items():
        for share in SHARES:
            for whole in (True, False):
                # One component that is nearly zero is an ordinary vector.
                bad = not abs(number) < 1e19 or (
                    whole and abs(number) < 1e-12
                )  # its square must be a float32
                place = "whole vector" if whole else "one component"
                spoil = spoil_rows(number, share, whole=whole)
                case = f"{word} as {place} of {share:.0%}"
                quiet = not bad or share < 0.05
                yield Case(f"log vectors: {case}", log_vectors(spoil), quiet)
                yield Case(f"reference embedder: {case}", reference(spoil), quiet)
                yield Case(f"live embedder: {case}", live(spoil), quiet or share < 0.3)
                yield Case(f"index vectors: {case}", look(_corpus_vectors(spoil)), quiet)
            yield Case(f"index scores: {word} in {share:.0%}", answer(_index_scores(number, share)))
            unusable = not np.isfinite(number)
            for rank in (0, 1, -1):
                name = f"log scores: {word} at place {rank} of {share:.0%}"
                yield Case(name, log_scores(number, share, rank), not unusable or share < 0.05)


def _log_shapes() -> Iterator[Case]:
    for d in (0, 1, world.D - 1, world.D + 1, 4096):
        yield Case(f"log vectors: {d} dimensions", log_vectors(_of_dimension(d)), may_be_quiet=False)
    changes: dict[str, Callable[[Record], Record]] = {
        "no hits, but scores": lambda r: replace(r, hits=()),
        "fewer scores than hits": lambda r: replace(r, scores=(r.scores or ())[:2]),
        "more scores than hits": lambda r: replace(r, scores=(*(r.scores or ()), 0.1)),
        "empty scores": lambda r: replace(r, scores=()),
        "scores in the wrong order": lambda r: replace(r, scores=tuple(reversed(r.scores or ()))),
        "scores of 1e308": lambda r: replace(r, scores=(1e308,) * 5),
        "scores of 1e308 and -1e308": lambda r: replace(r, scores=(1e308, -1e308, 1e308, -1e308, 0.0)),
        "subnormal scores": lambda r: replace(r, scores=(5e-324,) * 5),
        "one id for all hits": lambda r: replace(r, hits=("same",) * 5),
        "NUL and half a surrogate in ids": lambda r: replace(r, id=f"{r.id}\0\ud800", hits=("\0", "\ud800")),
        "empty texts": lambda r: replace(r, text=""),
        "texts of half a surrogate": lambda r: replace(r, text="\udfff"),
        "neither text nor vector": lambda r: replace(r, text=None),
        "one id for all": lambda r: replace(r, id="same"),
    }
    unusable = ("neither text nor vector", "empty texts", "scores of 1e308", "scores of 1e308 and -1e308")
    for name, change in changes.items():
        yield Case(f"log: {name}", log_records(change), name not in unusable)


def _embedder_shapes() -> Iterator[Case]:
    shapes: dict[str, tuple[Spoil, bool]] = {
        "one row too few": (lambda rows: rows[:-1], False),
        "one row too many": (lambda rows: np.concatenate([rows, rows[:1]]), False),
        "no row": (lambda rows: rows[:0], False),
        "one flat row": (lambda rows: rows.ravel(), False),
        "three axes": (lambda rows: rows[:, None, :], False),
        "no dimension": (lambda rows: rows[:, :0], False),
        "one dimension more": (lambda rows: np.pad(rows, ((0, 0), (0, 1))), False),
        "lists": (lambda rows: rows.tolist(), True),
        "ragged lists": (lambda rows: [row[: 1 + i % 5].tolist() for i, row in enumerate(rows)], False),
        "objects": (lambda rows: rows.astype(object), True),
        "texts": (lambda rows: rows.astype(str), False),
        "None": (lambda _: None, False),
        "float64": (lambda rows: rows.astype(np.float64), True),
        "float16": (lambda rows: rows.astype(np.float16), True),
        "integers": (lambda rows: np.rint(rows * 100).astype(np.int8), True),
        "complex numbers": (lambda rows: rows.astype(np.complex64), False),
        "read-only": (_read_only, True),
        "backwards in memory": (lambda rows: np.asfortranarray(rows[::-1])[::-1], True),
        "all the same": (lambda rows: np.repeat(rows[:1], len(rows), axis=0), True),
        "a thousand times as long": (lambda rows: rows * 1000, True),
    }
    for name, (spoil, quiet) in shapes.items():
        yield Case(f"reference embedder: {name}", reference(spoil), quiet)
        yield Case(f"live embedder: {name}", live(spoil), quiet)


def _answers() -> Iterator[Case]:
    changes: dict[str, tuple[Spoil, bool]] = {
        "no hit": (lambda r: Ranking([[] for _ in r.ids], r.scores[:, :0]), False),
        "one hit each": (lambda r: Ranking([ids[:1] for ids in r.ids], r.scores), True),
        "fewer hits, scores as wide": (lambda r: Ranking([ids[:3] for ids in r.ids], r.scores), True),
        "fewer scores than hits": (lambda r: Ranking(r.ids, r.scores[:, :3]), False),
        "no score": (lambda r: Ranking(r.ids, r.scores[:, :0]), False),
        "one query too few": (lambda r: Ranking(r.ids[:-1], r.scores[:-1]), False),
        "one query too many": (lambda r: Ranking([*r.ids, ["x"]], r.scores), False),
        "more hits than asked": (
            lambda r: Ranking([[*ids, "x"] for ids in r.ids], np.pad(r.scores, ((0, 0), (0, 1)))),
            True,
        ),
        "one id for all": (lambda r: Ranking([["same"] * len(ids) for ids in r.ids], r.scores), False),
        "each hit twice": (
            lambda r: Ranking([[i for i in ids for _ in "12"] for ids in r.ids], r.scores),
            True,
        ),
        "ids that are numbers": (
            lambda r: _ranking([list(range(len(ids))) for ids in r.ids], r.scores),
            False,
        ),
        "ids that are None": (lambda r: _ranking([[None] * len(ids) for ids in r.ids], r.scores), False),
        "hostile ids": (lambda r: Ranking([["\0", "\ud800", ""]] * len(r.ids), r.scores), False),
        "scores as lists": (lambda r: Ranking(r.ids, r.scores.tolist()), True),
        "scores as None": (lambda r: _ranking(r.ids, None), False),
        "None": (lambda _: None, False),
    }
    for name, (spoil, quiet) in changes.items():
        yield Case(f"index answers: {name}", answer(spoil), quiet)


def _samples() -> Iterator[Case]:
    changes: dict[str, tuple[Spoil, bool]] = {
        "nothing": (lambda c: CorpusSample((), c.vectors[:0], 0), True),
        "nothing, no dimension": (lambda _: CorpusSample((), np.zeros((0, 0), np.float32), 0), True),
        "nothing, one axis": (lambda _: CorpusSample((), np.zeros(0, np.float32), 0), True),
        "fewer vectors than ids": (lambda c: replace(c, vectors=c.vectors[:-1]), False),
        "more vectors than ids": (lambda c: replace(c, ids=c.ids[:-1]), False),
        "one axis": (lambda c: replace(c, vectors=c.vectors.ravel()), False),
        "no dimension": (lambda c: replace(c, vectors=c.vectors[:, :0]), False),
        "one dimension more": (lambda c: replace(c, vectors=np.pad(c.vectors, ((0, 0), (0, 1)))), False),
        "objects": (lambda c: replace(c, vectors=c.vectors.astype(object)), True),
        "float64": (lambda c: replace(c, vectors=c.vectors.astype(np.float64)), True),
        "lists": (lambda c: replace(c, vectors=c.vectors.tolist()), True),
        "a size below the sample's": (lambda c: replace(c, size=3), True),
        "a negative size": (lambda c: replace(c, size=-5), False),
        "a size beyond 64 bits": (lambda c: replace(c, size=2**70), False),
        "an unknown size": (lambda c: replace(c, size=None), False),
        "one id for all": (lambda c: replace(c, ids=("same",) * len(c.ids)), True),
        "ids in another order": (lambda c: CorpusSample(c.ids[::-1], c.vectors[::-1], c.size), True),
        "ids that are numbers": (lambda c: replace(c, ids=tuple(range(len(c.ids)))), False),
        "hostile ids": (lambda c: replace(c, ids=tuple(f"\0\ud800{i}" for i in c.ids)), True),
        "other documents": (lambda c: replace(c, ids=tuple(f"new-{i}" for i in c.ids)), True),
        "other documents, all NaN": (_nan_newcomers, False),
        "other documents, all zero": (lambda c: replace(_renamed(c), vectors=c.vectors * 0), False),
        "None": (lambda _: None, False),
    }
    for name, (spoil, quiet) in changes.items():
        yield Case(f"index sample: {name}", look(spoil), quiet)


def _ranking(ids: Any, scores: Any) -> Ranking:
    return Ranking(ids, scores)


def _renamed(corpus: CorpusSample) -> CorpusSample:
    return replace(corpus, ids=tuple(f"new-{i}" for i in corpus.ids))


def _nan_newcomers(corpus: CorpusSample) -> CorpusSample:
    return replace(_renamed(corpus), vectors=np.full_like(corpus.vectors, np.nan))


def _read_only(rows: VectorArray) -> VectorArray:
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


def _corpus_vectors(spoil: Spoil) -> Spoil:
    return lambda corpus: replace(corpus, vectors=spoil(corpus.vectors))


def _index_scores(number: float, share: float) -> Spoil:
    spoil = spoil_rows(number, share, whole=True)
    return lambda ranking: Ranking(ranking.ids, spoil(ranking.scores))


def _of_dimension(d: int) -> Spoil:
    return lambda rows: np.resize(rows, (len(rows), d))


def log_vectors(spoil: Spoil) -> Callable[[Collection], Collection]:
    """Return a change after which the log carries vectors that went through ``spoil``."""

    def change(collection: Collection) -> Collection:
        records = _records(collection)
        rows = spoil(np.stack([_vector(r) for r in records]))
        spoilt = [replace(r, text=None, vector=row) for r, row in zip(records, rows, strict=True)]
        return replace(collection, source=world.FakeSource(spoilt))

    return change


def log_scores(number: float, share: float, place: int) -> Callable[[Collection], Collection]:
    """Return a change after which a share of the log's answers have ``number`` as a score."""

    def change(collection: Collection) -> Collection:
        records = _records(collection)
        chosen = {r.id for r in records[_first(len(records), share)]}

        def spoil(record: Record) -> Record:
            scores = list(record.scores or (0.0,))
            scores[place] = float(number)
            return replace(record, scores=tuple(scores)) if record.id in chosen else record

        return replace(collection, source=world.FakeSource([spoil(r) for r in records]))

    return change


def log_records(spoil: Callable[[Record], Record]) -> Callable[[Collection], Collection]:
    """Return a change after which every record of the log went through ``spoil``."""
    return lambda c: replace(c, source=world.FakeSource([spoil(r) for r in _records(c)]))


def reference(spoil: Spoil) -> Callable[[Collection], Collection]:
    """Return a change of the embedder that gives logged texts their place."""
    return lambda c: replace(c, embedder=SpoiltEmbedder(spoil))


def live(spoil: Spoil) -> Callable[[Collection], Collection]:
    """Return a change of the embedder that canaries and suite go through."""
    return lambda c: replace(c, live_embedder=SpoiltEmbedder(spoil))


def answer(spoil: Spoil) -> Callable[[Collection], Collection]:
    """Return a change of what the index answers."""
    return lambda c: replace(c, index=SpoiltIndex(rag.documents(), answer=spoil))


def look(spoil: Spoil) -> Callable[[Collection], Collection]:
    """Return a change of what the index shows of its corpus."""
    return lambda c: replace(c, index=SpoiltIndex(rag.documents(), look=spoil))


def _records(collection: Collection) -> list[Record]:
    source = collection.source
    if not isinstance(source, world.FakeSource):
        raise TypeError("only a log in memory can be spoilt")
    return [entry for entry in source.entries if isinstance(entry, Record)]


def _vector(record: Record) -> VectorArray:
    return record.vector if record.vector is not None else world.FakeEmbedder().embed([record.text or ""])[0]
