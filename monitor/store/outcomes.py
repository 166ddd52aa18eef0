"""What a window's walk produced, kept as one piece under its fence."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from sqlalchemy import Engine, bindparam, insert, update

from monitor.records import Outcome, Reading, Status
from monitor.store import incidents
from monitor.store.columns import clean, clock
from monitor.store.engine import writing
from monitor.store.evidence import Current, finite, ingest_values, keep_evidence, keep_streams
from monitor.store.ledger import HELD, Claim, change_claimed, lock
from monitor.store.models import CollectionRow, ProfileRow, ReadingRow

STATUSES: tuple[Status, ...] = ("ok", "insufficient", "invalid")
"""A reading's status is stored as its place in here."""
REASONS = 50
EXAMPLES = 20
EXAMPLE_LENGTH = 200
"""How much of a window's rejected log entries is kept: kinds, examples, and characters of each."""

_FINISH = HELD.values(state="done", finished_at=clock(), lease_until=None, last_error=None)
_PROFILE = insert(ProfileRow)
_READINGS = insert(ReadingRow)
_SEE = update(CollectionRow).where(CollectionRow.collection == bindparam("of"))
_COUNT = _SEE.values(windows_done=CollectionRow.windows_done + 1, updated_at=clock())


def commit(engine: Engine, claim: Claim, outcome: Outcome) -> None:
    """Keep all of an outcome, and the change of the incident that follows from it, in one transaction.

    Evidence, the documents seen and the incident are left alone by a window that speaks of the past: a late
    one, and one that was compared with a baseline that has been replaced meanwhile.

    Raises
    ------
    LeaseLostError
        When the claim is no longer held; nothing is kept then.
    """
    window = claim.window
    if outcome.window != window:
        raise ValueError(f"the outcome of {outcome.window} cannot be committed as {window}")
    with writing(engine) as connection:
        change_claimed(connection, claim, _FINISH, **_window_values(outcome))
        # To count the window is also to hold the collection until the end: one statement where two would be slower.
        while connection.execute(_COUNT, {"of": window.collection}).rowcount != 1:
            lock(connection, window.collection)  # its first window makes it
        current = keep_streams(connection, outcome)
        streams = current.streams
        profile = {"window_id": claim.window_id, "resolution": 0, "data": outcome.profile}
        connection.execute(_PROFILE, profile)
        if outcome.readings:
            rows = [_reading_row(claim.window_id, streams[r.key].id, r) for r in outcome.readings]
            connection.execute(_READINGS, rows)
        if outcome.evidence is not None and _speaks_of_now(outcome, current):
            keep_evidence(connection, outcome, streams)
            seen: dict[str, Any] = {}
            if outcome.corpus_seen is not None:
                seen["corpus_seen"] = np.asarray(outcome.corpus_seen, dtype="<u8").tobytes()
            if outcome.ingest is not None:
                seen["ingest"] = ingest_values(outcome.ingest)
            if seen:
                connection.execute(_SEE, {"of": window.collection, **seen})
            incidents.record(
                connection,
                current.incident_id,
                window,
                claim.window_id,
                outcome.verdict,
                outcome.readings,
                firing=any(e.firing for e in outcome.evidence),
                backfill=claim.backfill,
            )


def _speaks_of_now(outcome: Outcome, current: Current) -> bool:
    newest = max((s.window_start for s in current.streams.values() if s.window_start), default=None)
    of_now = current.baseline_id in (None, outcome.baseline_id)
    return of_now and (newest is None or newest <= outcome.window.start)


def _window_values(outcome: Outcome) -> dict[str, Any]:
    verdict, sample = outcome.verdict, outcome.sample
    # The walk drops the records themselves; the statistical readings of the queries tell how many there were.
    sampled = [r.n for r in outcome.readings if r.signal == "queries" and r.log_p is not None]
    return {
        "baseline_id": outcome.baseline_id,
        "verdict_state": verdict.state,
        "severity": verdict.severity,
        "cause": verdict.cause,
        "verdict": {
            "fired": verdict.fired,
            "causes": [asdict(cause) for cause in verdict.causes],
            "problems": verdict.problems,
        },
        "sample_seen": sample.seen,
        "sample_size": len(sample.records) or int(max(sampled, default=0)),
        "rejected": _rejected(outcome),
        "duration_s": float(outcome.duration),
    }


def _rejected(outcome: Outcome) -> dict[str, Any] | None:
    sample = outcome.sample
    if not sample.rejected and not sample.duplicates:
        return None
    most = sorted(sample.rejected.items(), key=lambda item: (-item[1], item[0]))[:REASONS]
    return {
        "duplicates": int(sample.duplicates),
        "counts": {clean(reason, EXAMPLE_LENGTH): int(count) for reason, count in most},
        "examples": [
            {name: clean(text, EXAMPLE_LENGTH) for name, text in asdict(example).items()}
            for example in sample.examples[:EXAMPLES]
        ],
    }


def _reading_row(window_id: int, stream_id: int, r: Reading) -> dict[str, Any]:
    value = finite(r.value)
    return {
        "window_id": window_id,
        "stream_id": stream_id,
        "n": int(r.n),
        "value": 0.0 if value is None else value,
        "log_p": finite(r.log_p),
        "effect": finite(r.effect),
        "status": STATUSES.index("invalid" if value is None else r.status),
        "detail": r.detail or None,
    }
