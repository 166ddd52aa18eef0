"""A worker process: claims windows, adds one to the evidence of each and commits, until none is left.

worker.py NAME LEASE_SECONDS [stall]: the database is in DRIFTMON_DATABASE; with ``stall`` it claims one
window, says so and waits to be killed.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta

from monitor.records import Evidence, Outcome, Reading, Sample, Verdict
from monitor.store import Claim, Store

COLLECTIONS = ("c0", "c1", "c2", "c3")


def work(store: Store, claim: Claim) -> None:
    baseline = store.active_baseline(claim.window.collection)
    if baseline is None:
        raise RuntimeError("the test saved no baseline")
    evidence = store.state(claim.window.collection).evidence
    count = evidence[0].log_e if evidence else 0.0
    outcome = Outcome(
        window=claim.window,
        baseline_id=baseline.id,
        readings=(Reading("canary", "canary", 0.0, 1),),
        verdict=Verdict("quiet"),
        sample=Sample((), seen=1),
        profile=b"p",
        evidence=(Evidence("canary", "canary", count + 1.0),),
        corpus_seen=None,
    )
    store.commit(claim, outcome)


def drain(store: Store, name: str, lease: timedelta) -> int:
    done = 0
    idle = 0
    while idle < 20:  # a window may be in another worker's hands, and the one after it not yet free
        claim = store.claim(COLLECTIONS, name, lease)
        if claim is None:
            idle += 1
            time.sleep(0.02)
            continue
        idle = 0
        work(store, claim)
        done += 1
    return done


def main() -> None:
    name, seconds, *rest = sys.argv[1:]
    store = Store.open(os.environ["DRIFTMON_DATABASE"])
    lease = timedelta(seconds=float(seconds))
    if rest == ["stall"]:
        claim = store.claim(COLLECTIONS, name, lease)
        print(claim and claim.window_id, flush=True)
        time.sleep(60)
    print(drain(store, name, lease), flush=True)


if __name__ == "__main__":
    main()
