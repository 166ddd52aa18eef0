"""Is the cause named rightly? Every cause at random sizes on real text, followed as the store follows an incident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.detection.keeping import keep_and_spread
from benchmarks.detection.material import Model, places
from benchmarks.detection.service import DETECTORS, QUARTER, SPANS, baseline, place, span
from benchmarks.detection.worlds import BESIDE, CAUSES
from benchmarks.torture.report import figure
from monitor.judge.evidence import Budget
from monitor.pipeline import hand_on, walk
from monitor.store.incidents import Standing, decide
from monitor.wiring import count_streams

RUNS = 50
"""Runs of each cause, on each corpus under each model: two hundred in all four places."""
RUNS_BESIDE = 25
"""Runs of what stands beside them."""
WINDOWS = 12
"""Windows that a run is followed; an incident that has not opened then is silent."""
SETTLED = 3
"""Windows after its opening in which an incident may still say otherwise."""
DAYS = 4
"""Runs are spread over so many baselines, each with other topics set aside; on odd days ids name no source."""
RIGHT, WRONG = 0.95, 0.01
FOUND_WITHIN = 4
SURE = 0.5
"""A named cause is confident above this; ``unknown`` never is."""
THRESHOLD = Budget().log_threshold(QUARTER, count_streams(DETECTORS, SPANS))
NONE = "none"


@dataclass(frozen=True)
class Task:
    corpus: str
    model: Model
    cause: str
    run: int


@dataclass(frozen=True)
class Told:
    """What people are told when it opens and at the end, and in which window; ``silent`` where nothing is said."""

    task: Task
    opened: str
    final: str
    confidence: float
    fired: tuple[str, ...]
    window: int
    all_causes: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The cause as it is counted: what is told without confidence claims nothing."""
        return "unknown" if self.final == "unknown" or self.confidence <= SURE else self.final


def follow(task: Task) -> Told:
    """Let a cause happen and walk the windows after it.

    A window whose data cannot be believed opens no incident; its cause is told with the window and counts as well.
    """
    make = {**CAUSES, **BESIDE}[task.cause]
    number = [*CAUSES, *BESIDE].index(task.cause)
    rng = np.random.default_rng([number, task.run, len(task.corpus), len(task.model)])
    day = task.run % DAYS
    here, frozen = place(task.corpus, task.model, day), baseline(task.corpus, task.model, day)
    world = make(here, rng)
    first = 1000 + WINDOWS * task.run
    history, standing = world.history(rng, first), None
    opened, opened_at = "silent", 0
    told: tuple[str, ...] = ()
    for step in range(WINDOWS):
        entries, index = world.at(here, first + step, step)
        outcome = walk(
            span(first + step),
            here.collection(entries, index, world.live),
            frozen,
            1,
            history,
            threshold=THRESHOLD,
        )
        history = hand_on(outcome, history)
        verdict = outcome.verdict
        firing = any(e.firing for e in history.evidence)
        change = decide(standing, verdict, firing=firing, backfill=False)
        if change is not None and change.kind == "resolved":
            break  # what people were told stays as it was
        if change is not None:
            standing = change.standing
        elif standing is None and verdict.causes:
            first_cause = verdict.causes[0]
            standing = Standing(verdict.severity, first_cause.name, first_cause.confidence, verdict.fired)
        if standing is not None and not opened_at:
            opened, opened_at = standing.cause, step + 1
        told = tuple(dict.fromkeys((*told, *(c.name for c in verdict.causes))))
        if opened_at and step + 1 >= opened_at + SETTLED:
            break
    last = standing or Standing("none", "silent", 1.0, ())
    return Told(task, opened, last.cause, last.confidence, last.fired, opened_at, told)


def answer(task: Task) -> dict[str, Any]:
    """Return what :func:`follow` found, as JSON can hold it."""
    return asdict(follow(task))


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return the confusion of causes and the shares of right, wrong, unknown and silent."""
    del pools
    runs = 2 if quick else RUNS
    where = places()[:1] if quick else places()
    tasks = [
        Task(corpus, model, cause, number)
        for corpus, model in where
        for cause in (*CAUSES, *BESIDE)
        for number in range(runs if cause in CAUSES or cause == "quiet" else min(runs, RUNS_BESIDE))
    ]
    together = len(tasks) // (8 * len(where))
    answers = keep_and_spread("cause", answer, tasks, workers, together=together)
    told = [
        Told(**{**a, "task": task, "fired": tuple(a["fired"]), "all_causes": tuple(a["all_causes"])})
        for task, a in zip(tasks, answers, strict=True)
    ]
    return [
        figure("runs", len(told), f"runs, {runs} of each cause and of none in each of {len(where)} places"),
        *_summary("all places", told),
        *(
            f
            for corpus, model in where
            for f in _summary(
                f"{corpus} under {model}",
                [t for t in told if t.task.corpus == corpus and t.task.model == model],
            )
        ),
        *_beside(told),
        *(f for cause in CAUSES for f in _shares(cause, [t for t in told if t.task.cause == cause])),
        *confusion(told),
    ]


def _summary(name: str, told: Sequence[Told]) -> list[dict[str, Any]]:
    drifted = [t for t in told if t.task.cause in CAUSES]
    quiet = [t for t in told if t.task.cause == "quiet"]
    return [
        *_shares(f"{name}, all causes", drifted),
        figure(
            f"{name}, nothing happened: not silent",
            _mean([t.answer != "silent" for t in quiet]),
            "share",
            WRONG,
        ),
    ]


def _beside(told: Sequence[Told]) -> list[dict[str, Any]]:
    drifted = [t for t in told if t.task.cause in CAUSES]
    twentieth = [t for t in told if t.task.cause == "mixed_twentieth"]
    found = [t.answer == "model_mixed_index" and 0 < t.window <= FOUND_WITHIN for t in twentieth]
    edited = [t for t in told if t.task.cause == "edited"]
    unread = [t for t in told if t.task.cause == "mixed_without_texts"]
    return [
        figure("when the incident opens: right", _mean([t.task.cause == t.opened for t in drifted]), "share"),
        figure(
            f"5% foreign vectors: called a mixed index within {FOUND_WITHIN} windows",
            _mean(found),
            "share",
            RIGHT,
            higher_is_better=True,
        ),
        figure(
            "2 to 15% of the documents edited: called a mixed index",
            _mean([t.answer == "model_mixed_index" for t in edited]),
            "share",
            WRONG,
        ),
        *_shares("new documents foreign, no texts", unread, "model_mixed_index", barred=False),
    ]


def _shares(
    name: str, told: Sequence[Told], cause: str | None = None, *, barred: bool = True
) -> list[dict[str, Any]]:
    answers = [(cause or t.task.cause, t.answer) for t in told]
    named = Counter(b for a, b in answers if b not in {a, "unknown", "silent"})
    as_what = f" ({', '.join(f'{other} {count}' for other, count in named.most_common())})" if named else ""
    return [
        figure(
            f"{name}: right",
            _mean([a == b for a, b in answers]),
            "share",
            RIGHT if barred else None,
            higher_is_better=True,
        ),
        figure(
            f"{name}: confidently wrong{as_what}",
            _mean([b not in {a, "unknown", "silent"} for a, b in answers]),
            "share",
            WRONG if barred else None,
        ),
        figure(f"{name}: unknown", _mean([b == "unknown" for _, b in answers]), "share"),
        figure(f"{name}: silent", _mean([b == "silent" for _, b in answers]), "share"),
    ]


def confusion(told: Sequence[Told]) -> list[dict[str, Any]]:
    """Return how often each cause was told as each: one figure per cell that is not empty."""
    counts = Counter((t.task.cause if t.task.cause != "quiet" else NONE, t.answer) for t in told)
    order = [NONE if name == "quiet" else name for name in (*CAUSES, *BESIDE)]
    return [
        figure(f"confusion: {cause} told as {answer}", count, "runs")
        for (cause, answer), count in sorted(
            counts.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]


def _mean(which: Sequence[bool]) -> float:
    return float(np.mean(which)) if which else 0.0
