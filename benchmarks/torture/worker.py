"""A worker of the ledger that can be killed or stopped at any named step, and what its windows ought to lead to.

The readings of a window follow from its number alone, and its evidence from that of the window before: a window that
is lost, done twice, or done out of order shows in the evidence at the end.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import event, text

from monitor.errors import LeaseLostError
from monitor.judge.evidence import update_evidence
from monitor.judge.verdict import judge
from monitor.records import Evidence, Outcome, Reading, Sample, Window
from monitor.store import Claim, Store
from monitor.store.engine import reading

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
THRESHOLD = 8.0
DRIFT_EVERY, DRIFT_FOR = 16, 6
"""A stretch of drift in every so many windows: incidents open and resolve."""
STEPS = (
    "plan.statement",
    "plan.before COMMIT",
    "plan.after",
    "claim.statement",
    "claim.before COMMIT",
    "claim.after",
    "walk.after",
    "commit.statement",
    "commit.before COMMIT",
    "commit.after",
    "fail.statement",
    "fail.before COMMIT",
    "fail.after",
    "release.before COMMIT",
    "release.after",
    "renew.before COMMIT",
)


@dataclass
class Executioner:
    """Does something to the process at a step, the n-th time that it is passed."""

    step: str | None
    count: int
    strike: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGKILL)
    doing: str = field(default="", init=False)

    def passed(self, step: str) -> None:
        """Tell that a step has been reached."""
        if step == self.step:
            self.count -= 1
            if self.count <= 0:
                self.step = None
                self.strike()

    def watch(self, store: Store) -> None:
        """Follow the statements and commits of what the store is doing."""

        @event.listens_for(store.engine, "before_cursor_execute")
        def statement(*_: Any) -> None:
            self.passed(f"{self.doing}.statement")

        @event.listens_for(store.engine, "commit")
        def commit(*_: Any) -> None:
            self.passed(f"{self.doing}.before COMMIT")

    def do(self, what: str, action: Callable[..., Any], *arguments: Any) -> Any:
        """Run an action of the store whose steps are called ``what.…``."""
        self.doing = what
        try:
            done = action(*arguments)
        finally:
            self.doing = ""
        self.passed(f"{what}.after")
        return done


def outcome_of(window: Window, before: tuple[Evidence, ...], baseline: int) -> Outcome:
    """Return what a window's walk would bring, given the evidence that earlier ones left."""
    number = (window.start - NOON) // HOUR
    rng = np.random.default_rng([number, *window.collection.encode()])
    drifting = number % DRIFT_EVERY >= DRIFT_EVERY - DRIFT_FOR
    readings = tuple(
        Reading(
            detector,
            "queries",
            value=float(rng.random()),
            n=200,
            log_p=float(np.log(rng.random() * (1e-4 if drifting else 1.0))),
            effect_floor=0.0,
            detail={"number": float(number)},
        )
        for detector in ("centroid_distance", "spatial_kl")
    )
    evidence = update_evidence(before, readings, THRESHOLD)
    return Outcome(
        window=window,
        baseline_id=baseline,
        readings=readings,
        verdict=judge(readings, evidence),
        sample=Sample((), seen=200),
        profile=f"{window.collection} {number}".encode(),
        evidence=evidence,
        corpus_seen=np.array([number, 2**63 + number], dtype=np.uint64),
        duration=0.001,
    )


def prepare(store: Store, collections: int) -> tuple[list[str], int]:
    """Give so many collections a baseline; return their names and a baseline's number."""
    names = [f"c{i:02}" for i in range(collections)]
    numbers = [
        store.save_baseline(
            name,
            b"frozen",
            by="torture",
            reason="quiet",
            start=NOON - timedelta(days=7),
            end=NOON,
            model="m",
            meta={},
            activate=True,
        )
        for name in names
    ]
    return names, numbers[0]


def labour(
    url: str, names: list[str], windows: int, lease: timedelta, worker: str, executioner: Executioner
) -> None:
    """Plan, claim, fail now and then, and commit, until every collection has its windows done."""
    store = Store.open(url)
    executioner.watch(store)
    rng = np.random.default_rng(abs(hash(worker)) % 2**32)
    given_back: set[Window] = set()
    while True:
        name = names[int(rng.integers(len(names)))]
        now = min(_watermark(store, name) + HOUR, NOON + windows * HOUR)
        executioner.do("plan", store.plan, name, HOUR, now, timedelta(0), 1000, NOON)
        claim: Claim | None = executioner.do("claim", store.claim, names, worker, lease)
        if claim is None:
            if _all_done(store, len(names) * windows):
                store.close()
                return
            continue
        try:
            _work(store, claim, lease, given_back, executioner)
        except LeaseLostError:
            continue  # the machine was too slow for so short a lease: another worker has the window


def _work(
    store: Store, claim: Claim, lease: timedelta, given_back: set[Window], executioner: Executioner
) -> None:
    number = (claim.window.start - NOON) // HOUR
    if number % 7 == 3 and claim.window not in given_back:
        given_back.add(claim.window)
        executioner.do("release", store.release, claim)
        return
    if number % 5 == 2 and claim.attempts == 1:
        executioner.do("fail", store.fail, claim, "edge: gone", 1000, timedelta(0))
        return
    if number % 3 == 1:
        executioner.do("renew", store.renew, claim, lease)
    state, info = store.state(claim.window.collection), store.active_baseline(claim.window.collection)
    outcome = outcome_of(claim.window, state.evidence, info.id if info else 0)
    executioner.passed("walk.after")
    executioner.do("commit", store.commit, claim, outcome)


def _watermark(store: Store, collection: str) -> datetime:
    with reading(store.engine) as connection:
        query = text("SELECT max(end_at) FROM windows WHERE collection = :c")
        found = connection.execute(query, {"c": collection}).scalar()
    if found is None:
        return NOON
    return (
        datetime.fromisoformat(found).replace(tzinfo=UTC) if isinstance(found, str) else found.astimezone(UTC)
    )


def _all_done(store: Store, count: int) -> bool:
    with reading(store.engine) as connection:
        return connection.execute(text("SELECT sum(windows_done) FROM collection_state")).scalar() == count
