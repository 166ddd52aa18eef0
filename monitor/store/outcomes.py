"""What a window's walk produced, kept as one piece under its fence; and what the next walk starts from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, delete, insert, select, update

from monitor.records import Evidence, Outcome, Reading, Status
from monitor.store import incidents
from monitor.store.columns import clean, clock
from monitor.store.engine import insert_into, reading, writing
from monitor.store.ledger import Claim, lock, update_claimed
from monitor.store.models import BaselineRow, CollectionRow, EvidenceRow, ProfileRow, ReadingRow, StreamRow

STATUSES: tuple[Status, ...] = ("ok", "insufficient", "invalid")
"""A reading's status is stored as its place in here."""
REASONS = 50
EXAMPLES = 20
EXAMPLE_LENGTH = 200
"""How much of a window's rejected log entries is kept: kinds, examples, and characters of each."""


@dataclass(frozen=True, slots=True)
class CollectionState:
    """What earlier windows of a collection left behind for the next one."""

    evidence: tuple[Evidence, ...] = ()
    corpus_seen: NDArray[np.uint64] | None = None


def commit(engine: Engine, claim: Claim, outcome: Outcome) -> None:
    """Keep all of an outcome, and the change of the incident that follows from it, in one transaction.

    Evidence, the documents seen and the incident are left alone by a window that speaks of the past: a late
    one, and one that was compared with a baseline that has been replaced meanwhile.

    Raises
    ------
    LeaseLostError
        When the claim is no longer held; nothing is kept then.
    """
    if outcome.window != claim.window:
        raise ValueError(f"the outcome of {outcome.window} cannot be committed as {claim.window}")
    window = claim.window
    with writing(engine) as connection:
        update_claimed(connection, claim, **_window_values(outcome))
        lock(connection, window.collection)
        streams = _keep_streams(connection, outcome)
        connection.execute(insert(ProfileRow).values(window_id=claim.window_id, data=outcome.profile))
        if outcome.readings:
            rows = [_reading_row(claim.window_id, streams[r.key], r) for r in outcome.readings]
            connection.execute(insert(ReadingRow), rows)
        state: dict[str, Any] = {"windows_done": CollectionRow.windows_done + 1, "updated_at": clock()}
        if outcome.evidence is not None and _speaks_of_now(connection, outcome):
            _keep_evidence(connection, outcome, outcome.evidence, streams)
            if outcome.corpus_seen is not None:
                state["corpus_seen"] = np.asarray(outcome.corpus_seen, dtype="<u8").tobytes()
            incidents.record(
                connection,
                window,
                claim.window_id,
                outcome.verdict,
                firing=any(e.firing for e in outcome.evidence),
                backfill=claim.backfill,
            )
        held = update(CollectionRow).where(CollectionRow.collection == window.collection)
        connection.execute(held.values(**state))


def load_state(engine: Engine, collection: str) -> CollectionState:
    """Return the evidence per stream and the hashes of the documents seen, as the last window left them."""
    with reading(engine) as connection:
        evidence = read_evidence(connection, [collection]).get(collection, ())
        seen = connection.scalar(
            select(CollectionRow.corpus_seen).where(CollectionRow.collection == collection)
        )
    return CollectionState(
        evidence, None if seen is None else np.frombuffer(seen, dtype="<u8").astype(np.uint64)
    )


def read_evidence(connection: Connection, collections: Sequence[str]) -> Mapping[str, tuple[Evidence, ...]]:
    """Return the evidence of each collection that has any."""
    query = (
        select(StreamRow.collection, StreamRow.detector, StreamRow.signal, EvidenceRow)
        .join(EvidenceRow, EvidenceRow.stream_id == StreamRow.id)
        .where(StreamRow.collection.in_(collections))
        .order_by(StreamRow.detector, StreamRow.signal)
    )
    found: dict[str, list[Evidence]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.collection].append(Evidence(row.detector, row.signal, row.log_e, row.firing, row.calm))
    return {name: tuple(evidence) for name, evidence in found.items()}


def forget(connection: Connection, collection: str) -> None:
    """Drop a collection's evidence and documents seen; for a change of what windows are compared with."""
    lock(connection, collection)
    streams = select(StreamRow.id).where(StreamRow.collection == collection)
    connection.execute(delete(EvidenceRow).where(EvidenceRow.stream_id.in_(streams)))
    connection.execute(
        update(CollectionRow)
        .where(CollectionRow.collection == collection)
        .values(corpus_seen=None, updated_at=clock())
    )


def _window_values(outcome: Outcome) -> dict[str, Any]:
    verdict, sample = outcome.verdict, outcome.sample
    # The walk drops the records themselves; the statistical readings of the queries tell how many there were.
    sampled = [r.n for r in outcome.readings if r.signal == "queries" and r.log_p is not None]
    return {
        "state": "done",
        "finished_at": clock(),
        "lease_until": None,
        "last_error": None,
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


def _keep_streams(connection: Connection, outcome: Outcome) -> dict[str, int]:
    """Return the ids of the outcome's streams by key; make new ones, keep limits up to date."""
    collection = outcome.window.collection
    known = _streams(connection, collection)
    readings = {r.key: r for r in outcome.readings}
    wanted = {key: (r.detector, r.signal) for key, r in readings.items()}
    wanted |= {e.key: (e.detector, e.signal) for e in outcome.evidence or ()}
    new = [
        {"collection": collection, "detector": detector, "signal": signal}
        for key, (detector, signal) in wanted.items()
        if key not in known
    ]
    if new:
        connection.execute(insert_into(connection, StreamRow).on_conflict_do_nothing(), new)
        known = _streams(connection, collection)
    for key, r in readings.items():
        limits = {
            "effect_floor": float(r.effect_floor),
            "threshold": _number(r.threshold),
            "harmful": r.harmful,
        }
        if limits != known[key][1]:
            connection.execute(update(StreamRow).where(StreamRow.id == known[key][0]).values(**limits))
    return {key: identifier for key, (identifier, _) in known.items()}


def _streams(connection: Connection, collection: str) -> dict[str, tuple[int, Mapping[str, Any]]]:
    limits = (StreamRow.effect_floor, StreamRow.threshold, StreamRow.harmful)
    rows = connection.execute(
        select(StreamRow.id, StreamRow.detector, StreamRow.signal, *limits).where(
            StreamRow.collection == collection
        )
    )
    return {
        f"{r.detector}.{r.signal}": (
            r.id,
            {"effect_floor": r.effect_floor, "threshold": r.threshold, "harmful": r.harmful},
        )
        for r in rows
    }


def _reading_row(window_id: int, stream_id: int, r: Reading) -> dict[str, Any]:
    value = _number(r.value)
    return {
        "window_id": window_id,
        "stream_id": stream_id,
        "n": int(r.n),
        "value": 0.0 if value is None else value,
        "log_p": _number(r.log_p),
        "effect": _number(r.effect),
        "status": STATUSES.index("invalid" if value is None else r.status),
        "detail": r.detail or None,
    }


def _number(value: float | None) -> float | None:
    """Return a plain finite float: one engine takes NaN, the other makes it NULL."""
    return None if value is None or not math.isfinite(value) else float(value)


def _speaks_of_now(connection: Connection, outcome: Outcome) -> bool:
    collection = outcome.window.collection
    active = connection.scalar(
        select(BaselineRow.id).where(BaselineRow.collection == collection, BaselineRow.active)
    )
    newest = connection.scalar(
        select(EvidenceRow.window_start)
        .join(StreamRow, StreamRow.id == EvidenceRow.stream_id)
        .where(StreamRow.collection == collection)
        .order_by(EvidenceRow.window_start.desc())
        .limit(1)
    )
    return active in (None, outcome.baseline_id) and (newest is None or newest <= outcome.window.start)


def _keep_evidence(
    connection: Connection, outcome: Outcome, evidence: tuple[Evidence, ...], streams: Mapping[str, int]
) -> None:
    """Replace the collection's evidence: a stream that is no longer carried must not fire for ever."""
    kept = [streams[e.key] for e in evidence]
    own = select(StreamRow.id).where(StreamRow.collection == outcome.window.collection)
    connection.execute(
        delete(EvidenceRow).where(EvidenceRow.stream_id.in_(own), EvidenceRow.stream_id.not_in(kept))
    )
    if not evidence:
        return
    statement = insert_into(connection, EvidenceRow)
    columns = ("window_start", "log_e", "firing", "calm")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["stream_id"], set_={name: statement.excluded[name] for name in columns}
        ),
        [
            {
                "stream_id": streams[e.key],
                "window_start": outcome.window.start,
                "log_e": float(e.log_e),
                "firing": bool(e.firing),
                "calm": int(e.calm),
            }
            for e in evidence
        ],
    )
