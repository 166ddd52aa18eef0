"""The three acts under a virtual clock, walked by the same pipeline and ledger as production."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.baseline import Baseline
from monitor.baseline.codec import pack
from monitor.canary_texts import CANARY_TEXTS
from monitor.daemon.work import history_of
from monitor.demo.material import Material
from monitor.demo.service import TABLE, K, RagService, ReferenceEmbedder
from monitor.demo.traffic import Traffic
from monitor.judge.evidence import Budget
from monitor.mitigation.gate import Offer, offer_adapter
from monitor.pipeline import Collection, walk
from monitor.plugins import build
from monitor.records import Event, EventKind, Evidence, JudgedQuery, Outcome, Reading, Verdict, Window
from monitor.reference import take_baseline
from monitor.store import Store, schema
from monitor.wiring import wire_detectors

NAME = "python-docs"
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
SUITE = 250
STORE = "driftmon.db"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Moment:
    """One walked window: when, in which stretch of the story, and what the pipeline said."""

    stretch: str
    window: Window
    readings: tuple[Reading, ...]
    evidence: tuple[Evidence, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Act:
    """One act: the quiet (or broken) windows before it and the windows after it."""

    name: str
    title: str
    before: tuple[Moment, ...]
    after: tuple[Moment, ...]
    quiet: tuple[Moment, ...]
    """The quiet stretch before the act, in which nothing may fire."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: documents of the old and of the new modules (positions), the judged suite, pairs for the adapter."""

    old: NDArray[np.int64]
    new: NDArray[np.int64]
    suite: tuple[JudgedQuery, ...]
    pairs: NDArray[np.int64]


@dataclass(slots=True)
class Story:
    """Everything the demo saw."""

    seed: int
    k: int
    threshold: float
    acts: list[Act] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    offer: Offer | None = None
    collection: Collection | None = None
    now: datetime = MONDAY


@dataclass(slots=True)
class Stage:
    """The service, its monitor and the virtual clock."""

    service: RagService
    collection: Collection
    store: Store
    story: Story
    progress: Progress
    now: datetime = MONDAY
    total: int = 1
    baseline: Baseline | None = None
    baseline_id: int = 0

    def serve(self, hours: int) -> None:
        """Let the service run for so many hours."""
        self.service.serve(self.now, self.now + hours * HOUR)
        self.now += hours * HOUR

    def take_baseline(self, hours: int) -> None:
        """Freeze the last hours as the baseline and make it the active one."""
        windows = [Window(NAME, self.now - i * HOUR, self.now - (i - 1) * HOUR) for i in range(hours, 0, -1)]
        taken = take_baseline(self.collection, windows)
        self.baseline = taken.baseline
        self.baseline_id = self.store.save_baseline(
            NAME,
            pack(taken.baseline),
            by="demo",
            reason="quiet stretch",
            start=windows[0].start,
            end=self.now,
            model=self.service.model,
            meta={"records": taken.baseline.records},
            activate=True,
        )

    def tell(self, kind: EventKind, title: str) -> None:
        """Record what is done to the service now, as a pipeline would; the silent push is the one that nobody tells."""
        key = f"demo-{self.now:%m%d%H}"
        self.store.add_event(Event(key, self.now, kind, title, NAME, recorded_by="demo"))

    def watch(self, stretch: str, hours: int) -> tuple[Moment, ...]:
        """Serve and watch so many windows, hour by hour, through the ledger."""
        moments = []
        for _ in range(hours):
            self.serve(1)
            self.store.plan(NAME, HOUR, self.now, timedelta(0), 1, self.now - HOUR)
            moments.append(self._walk(stretch))
            self.progress("walking windows", len(self.story.moments), self.total)
        return tuple(moments)

    def _walk(self, stretch: str) -> Moment:
        claim = self.store.claim([NAME], "demo", timedelta(minutes=10))
        if claim is None or self.baseline is None:
            raise RuntimeError("no baseline or no planned window: a defect of the demo")
        state = self.store.state(NAME)
        outcome = walk(
            claim.window,
            self.collection,
            self.baseline,
            self.baseline_id,
            history_of(self.store, claim.window, state),
            threshold=self.story.threshold,
        )
        self.store.commit(claim, outcome)
        moment = remember(stretch, outcome)
        self.story.moments.append(moment)
        return moment


def remember(stretch: str, outcome: Outcome) -> Moment:
    """Return what is kept of an outcome for the report."""
    return Moment(stretch, outcome.window, outcome.readings, outcome.evidence or (), outcome.verdict)


def play(
    material: Material, seed: int, progress: Progress = lambda *_: None, keep: Path | None = None
) -> Story:
    """Play the three acts and return everything that was seen; the same seed gives the same story.

    ``keep`` is a folder for the databases, so that they can be looked at afterwards; without it they go.
    """
    if keep is not None:
        return _play(material, seed, keep, progress)
    with tempfile.TemporaryDirectory(prefix="driftmon-demo-") as folder:
        return _play(material, seed, Path(folder), progress)


def _play(material: Material, seed: int, folder: Path, progress: Progress) -> Story:
    rng = np.random.default_rng(seed)
    cast = choose_cast(material, rng)
    traffic = Traffic(material, rng)
    traffic.ask(cast.old)
    service = RagService(material, folder / "rag.db", traffic, cast.old)
    detectors = wire_detectors({})
    source = build(
        "sources",
        {
            "type": "sql",
            "url": f"sqlite:///{folder / 'rag.db'}",
            "table": TABLE,
            "columns": {
                "id": "id",
                "at": "created_at",
                "text": "query",
                "model": "model",
                "hits": "results",
                "segments": {"area": "area"},
            },
        },
        "demo.source",
    )
    collection = Collection(
        name=NAME,
        source=source,
        detectors=detectors,
        embedder=ReferenceEmbedder.of(material),
        live_embedder=service,
        index=service,
        suite=cast.suite,
        canaries=CANARY_TEXTS,
        k=K,
        sample_size=600,
        corpus_sample=2000,
    )
    url = f"sqlite:///{folder / STORE}"
    schema.upgrade(url)
    threshold = Budget().log_threshold(HOUR, len(detectors))
    story = Story(seed=seed, k=K, threshold=threshold)
    stage = Stage(service, collection, Store.open(url), story, progress, total=138)
    try:
        _growth(stage, cast)
        _silent_push(stage)
        _model_push(stage, cast)
    finally:
        stage.store.close()
    story.collection, story.now = collection, stage.now
    return story


def _growth(stage: Stage, cast: Cast) -> None:
    stage.serve(7 * 24)
    stage.take_baseline(7 * 24)
    quiet = stage.watch("quiet", 24)
    stage.tell("reindex", f"{len(cast.new)} documents of new modules ingested")
    stage.service.grow(cast.new)
    after = stage.watch("growth", 24)
    stage.story.facts |= {"documents_before": len(cast.old), "documents_after": len(cast.old) + len(cast.new)}
    stage.story.acts.append(
        Act("growth", "The corpus grows by new modules, and users ask about them", quiet, after, quiet)
    )


def _silent_push(stage: Stage) -> None:
    stage.serve(6 * 24)
    stage.take_baseline(7 * 24)
    quiet = stage.watch("quiet", 24)
    stage.service.push("int8")
    after = stage.watch("silent push", 12)
    title = "Silent push: the query model is replaced by its int8-quantised copy"
    stage.story.acts.append(Act("silent_push", title, quiet, after, quiet))
    stage.service.push("base")


def _model_push(stage: Stage, cast: Cast) -> None:
    quiet = stage.watch("quiet", 30)[6:]  # the first hours after the roll-back resolve what had fired
    stage.tell("model_push", "query model: base to tuned")
    stage.service.push("tuned")
    broken = stage.watch("model push", 12)
    title = "Model version push: queries are embedded by a fine-tuned model, the index is not"
    stage.story.acts.insert(1, Act("model_push", title, quiet, broken, quiet))
    offered = offer(stage.service.material, cast, stage.story.seed)
    stage.story.offer = offered
    stage.tell("deploy", f"Drift-Adapter ({offered.adapter.kind}) in front of the query model")
    stage.service.push("tuned", offered.adapter)
    mended = stage.watch("adapter", 12)
    kind, pairs = offered.adapter.kind, offered.adapter.pairs
    title = f"Drift-Adapter: {kind} map on the query side, fitted on {pairs} texts outside the suite"
    stage.story.acts.append(Act("adapter", title, broken, mended, quiet))


def choose_cast(material: Material, rng: np.random.Generator) -> Cast:
    """Return what is there from the start, what comes later, the suite and the adapter's pairs.

    Later come all modules of a few topic areas, a fifth to a quarter of all documents, as when a team has a
    whole new section of documentation ingested.
    """
    areas = np.array(material.areas)
    later: list[str] = []
    share = 0.0
    for name in rng.permutation(np.unique(areas)):
        size = float(np.mean(areas == name))
        if share + size <= 0.25:
            later.append(str(name))
            share += size
    new = np.flatnonzero(np.isin(areas, later))
    old = np.flatnonzero(~np.isin(areas, later))
    drawn = rng.permutation(old)
    suite = tuple(
        JudgedQuery(f"suite-{material.ids[i]}", material.questions[i], {material.ids[i]: 1})
        for i in drawn[:SUITE]
    )
    return Cast(old, new, suite, drawn[SUITE:])


def offer(material: Material, cast: Cast, seed: int) -> Offer:
    """Return the gate's offer: variants fitted on questions outside the suite under both models."""
    return offer_adapter(
        material.queries["tuned"][cast.pairs],
        material.queries["base"][cast.pairs],
        material.documents[cast.old],
        seed=seed,
        k=K,
    )
