"""A receiver that fails, hangs and dies, and dispatchers that are killed: everything is told, one incident per key."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.torture.report import figure, main
from benchmarks.torture.servers import postgresql
from benchmarks.torture.worker import HOUR, NOON, outcome_of, prepare
from monitor.records import Cause, Evidence, Verdict
from monitor.store import Store, schema
from tests.core_fakes.receiver import Play, Receiver, receiving

INCIDENTS = 60
PLAYS: tuple[Play, ...] = (500, 503, (429, "1"), "hang", "die", "late", "ok", "ok")
"""What the receiver does to a call, at random; afterwards it is well. ``late``: takes the message, then breaks off."""
BAD = 200
CALLS_OF_A_LIFE = (2, 6)
"""Calls at the receiver after which a dispatcher is killed, while the receiver is bad: as often on a fast machine."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one engine's run."""

    incidents: int
    calls: int
    taken: int
    repeated: int
    kills: int
    keys: int
    unresolved: int
    undelivered: int
    dead: int
    seconds: float


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of one dispatcher on SQLite and of two on PostgreSQL, all of them killed again and again."""
    incidents = max(4, round(INCIDENTS * scale))
    found: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="driftmon-delivery-") as name, postgresql() as server:
        for kind, url, replicas in (
            ("SQLite", f"sqlite:///{Path(name)}/told.db", 1),
            ("PostgreSQL, two replicas", server.create("told"), 2),
        ):
            told = torture(url, replicas, incidents, max(10, round(BAD * scale)))
            found += [
                figure(f"{kind}: incidents opened, made worse and resolved", told.incidents, "incidents"),
                figure("… kill -9 of a dispatcher", told.kills, "kills"),
                figure("… calls that the receiver failed or took", told.calls, "calls"),
                figure("… messages never delivered", told.undelivered, "messages", 0),
                figure("… messages dead", told.dead, "messages", 0),
                figure("… incidents at the receiver, one per key", told.keys, "incidents", incidents),
                figure("… at least", told.keys, "incidents", incidents, higher_is_better=True),
                figure("… of them left open there", told.unresolved, "incidents", 0),
                figure("… messages that it took more than once (same key)", told.repeated, "messages"),
                figure("… until all was told", told.seconds, "s"),
            ]
    return found


def torture(url: str, replicas: int, incidents: int, bad: int) -> Told:
    """Open, make worse and resolve so many incidents while everything fails; return what came of it."""
    schema.upgrade(url)
    rng = random.Random(1)
    script = [rng.choice(PLAYS) for _ in range(bad)]
    with receiving(script, hang=1.0) as receiver, closing(Store.open(url)) as store:
        names, _ = prepare(store, incidents)
        began = time.monotonic()
        over = threading.Event()
        kills = Counter[str]()
        keepers = [
            threading.Thread(target=_keep_killing, args=(url, receiver.url, over, kills, receiver, number))
            for number in range(replicas)
        ]
        for keeper in keepers:
            keeper.start()
        try:
            for hour, change in enumerate(("opened", "worse", "resolved")):
                for name in names:
                    _commit(store, name, hour, change)
                _wait_until_told(store)
        finally:
            over.set()
            for keeper in keepers:
                keeper.join()
        seconds = time.monotonic() - began
        undelivered = len(store.letters("waiting", 10_000))
        dead = len(store.letters("dead", 10_000))
    heard = receiver.incidents()
    numbers = Counter(call.headers["Idempotency-Key"] for call in receiver.taken)
    return Told(
        incidents=incidents,
        calls=len(receiver.calls),
        taken=len(receiver.taken),
        repeated=sum(1 for count in numbers.values() if count > 1),
        kills=kills["kills"],
        keys=len(heard),
        unresolved=sum(1 for said in heard.values() if said[-1] != "resolved"),
        undelivered=undelivered,
        dead=dead,
        seconds=seconds,
    )


def _commit(store: Store, name: str, hour: int, change: str) -> None:
    store.plan(name, HOUR, NOON + (hour + 1) * HOUR, timedelta(0), 1000, NOON)
    claim = store.claim([name], "torture", timedelta(minutes=5))
    info = store.active_baseline(name)
    if claim is None or info is None:
        raise RuntimeError(f"no window of {name} was free")
    outcome = outcome_of(claim.window, (), info.id)
    key = "spatial_kl.queries"
    if change == "resolved":
        store.commit(claim, replace(outcome, verdict=Verdict("quiet"), evidence=_evidence(firing=False)))
        return
    severity = "warning" if change == "opened" else "critical"
    verdict = Verdict("drift", severity, (Cause("questions", 0.8, (key,)),), (key,))  # type: ignore[arg-type]
    store.commit(claim, replace(outcome, verdict=verdict, evidence=_evidence(firing=True)))


def _evidence(*, firing: bool) -> tuple[Evidence, ...]:
    return (
        Evidence("centroid_distance", "queries"),
        Evidence("spatial_kl", "queries", 20.0 if firing else 0.0, firing=firing),
    )


def _keep_killing(
    url: str, receiver: str, over: threading.Event, kills: Counter[str], far: Receiver, number: int
) -> None:
    """Run a dispatcher and kill it again and again while the receiver is bad; then let one live."""
    rng = random.Random(number)
    environment = {**os.environ, "DRIFTMON_DATABASE": url}
    while not over.is_set():
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.torture.teller", receiver],
            env=environment,
            stdout=subprocess.PIPE,
        )
        try:
            if process.stdout is not None:
                process.stdout.readline()  # it is up
            last = len(far.calls) + rng.randint(*CALLS_OF_A_LIFE)
            while not over.wait(0.005) and (not far.script or len(far.calls) < last):
                pass
            if not over.is_set():
                kills["kills"] += 1
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(30)
            if process.stdout is not None:
                process.stdout.close()


def _wait_until_told(store: Store, seconds: float = 900.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        waiting = store.waiting()
        if not waiting.facts and not store.letters("waiting", 1):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not everything was told within {seconds:g} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main("torture-delivery", run)
