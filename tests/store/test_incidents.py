from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Cause, Evidence, Severity, State, Verdict
from monitor.store import Store
from monitor.store.incidents import RANK, Standing, Transition, decide

if TYPE_CHECKING:
    from tests.store.conftest import Docs

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
A, B = "canary.canary", "spatial_kl.queries"
OPEN = Standing("warning", "questions", 0.8, (A,), announced=True)
UNHEARD = Standing("warning", "questions", 0.8, (A,), untold=True)


def verdict(
    *fired: str, severity: Severity = "warning", cause: str = "questions", confidence: float = 0.8
) -> Verdict:
    return Verdict("drift", severity, (Cause(cause, confidence),), fired)


QUIET = Verdict("quiet")


def standing(*fired: str, **changes: Any) -> Standing:
    return replace(Standing("warning", "questions", 0.8, fired, announced=True), **changes)


@pytest.mark.parametrize(
    ("before", "found", "firing", "backfill", "after"),
    [
        (None, QUIET, False, False, None),
        (None, verdict(A), True, False, Transition("opened", OPEN, "opened")),
        (None, verdict(A), True, True, Transition("opened", UNHEARD, None)),
        (None, Verdict("drift", "warning", (), (A,)), True, False,
         Transition("opened", standing(A, cause="none", confidence=0.0), "opened")),
        (OPEN, verdict(A), True, False, None),
        (OPEN, verdict(A), True, True, None),
        (OPEN, verdict(A, B), True, False, Transition("updated", standing(A, B), "updated")),
        (OPEN, verdict(B), True, False, Transition("updated", standing(B), "updated")),
        (standing(A, B), verdict(B, A), True, False, None),
        (OPEN, verdict(A, severity="critical"), True, False,
         Transition("updated", standing(A, severity="critical"), "updated")),
        (standing(A, severity="critical"), verdict(A), True, False, None),
        (OPEN, verdict(A, cause="corpus_shift", confidence=0.7), True, False, None),
        (OPEN, verdict(A, cause="corpus_shift", confidence=0.8), True, False,
         Transition("updated", standing(A, cause="corpus_shift"), "updated")),
        (OPEN, verdict(A, B), True, True, Transition("updated", standing(A, B, untold=True), None)),
        (UNHEARD, verdict(A), True, True, None),
        (UNHEARD, verdict(A), True, False, Transition("updated", OPEN, "opened")),
        (standing(A, untold=True), verdict(A), True, False, Transition("updated", OPEN, "updated")),
        (OPEN, QUIET, True, False, None),
        (OPEN, QUIET, False, False, Transition("resolved", OPEN, "resolved")),
        (OPEN, QUIET, False, True, Transition("resolved", OPEN, "resolved")),
        (UNHEARD, QUIET, False, False, Transition("resolved", UNHEARD, None)),
        (OPEN, Verdict("insufficient"), False, False, None),
        (OPEN, Verdict("invalid", "warning"), False, False, None),
        (None, Verdict("invalid", "warning"), False, False, None),
    ],
)  # fmt: skip
def test_what_a_window_does_to_an_incident(
    before: Standing | None, found: Verdict, firing: bool, backfill: bool, after: Transition | None
) -> None:
    assert decide(before, found, firing=firing, backfill=backfill) == after


states: st.SearchStrategy[State] = st.sampled_from(["quiet", "drift", "insufficient", "invalid"])
severities: st.SearchStrategy[Severity] = st.sampled_from(["warning", "critical"])
verdicts = st.builds(
    Verdict,
    states,
    severities,
    st.lists(st.builds(Cause, st.sampled_from("abc"), st.sampled_from([0.2, 0.5, 0.9])), max_size=2).map(
        tuple
    ),
    st.lists(st.sampled_from([A, B]), unique=True).map(tuple),
)


@given(st.lists(st.tuples(verdicts, st.booleans(), st.booleans()), max_size=30))
def test_people_hear_one_beginning_and_one_end_of_an_incident(
    windows: list[tuple[Verdict, bool, bool]],
) -> None:
    standing: Standing | None = None
    told: list[str] = []
    for found, firing, backfill in windows:
        transition = decide(standing, found, firing=firing, backfill=backfill)
        if transition is None:
            continue
        if standing is not None:
            assert RANK[transition.standing.severity] >= RANK[standing.severity]
            assert transition.standing.confidence >= standing.confidence
        if backfill:
            assert transition.tell in (None, "resolved")
        if transition.tell is not None:
            told.append(transition.tell)
        standing = None if transition.kind == "resolved" else transition.standing
    heard = False
    for kind in told:
        assert heard == (kind != "opened")
        heard = kind != "resolved"
    assert heard == (standing is not None and standing.announced)
    if standing is not None and windows[-1][0].state == "drift" and not windows[-1][2]:
        assert standing.announced
        assert not standing.untold


def test_an_incident_from_opening_to_resolution(store: Store, docs: Docs) -> None:
    critical = docs.drift(A, B, severity="critical", cause="model", confidence=0.9)
    quiet_but_firing = {"evidence": (Evidence("canary", "canary", 20.0, firing=True, calm=1),)}
    open_at = []
    for hour, changes in enumerate(
        [docs.drift(A), docs.drift(A), critical, quiet_but_firing, {}, docs.drift(B)], 1
    ):
        docs.plan(hour)
        claimed = docs.claim()
        store.commit(claimed, docs.outcome(claimed, **changes))
        open_at.append(store.statuses(["docs"])[0].incidents)
    first, same, worse, still, resolved, second = open_at
    assert first == same
    assert (first[0].opened_at, first[0].severity, first[0].cause, first[0].fired) == (
        NOON + HOUR, "warning", "questions", (A,),
    )  # fmt: skip
    assert worse == still
    assert (worse[0].id, worse[0].updated_at, worse[0].severity, worse[0].cause, worse[0].fired) == (
        first[0].id, NOON + 3 * HOUR, "critical", "model", (A, B),
    )  # fmt: skip
    assert resolved == ()
    assert second[0].id > first[0].id
    told = docs.query("SELECT kind, incident_id, payload, attempts, delivered_at FROM outbox ORDER BY id")
    assert [(kind, incident) for kind, incident, *_ in told] == [
        ("opened", first[0].id), ("updated", first[0].id), ("resolved", first[0].id), ("opened", second[0].id),
    ]  # fmt: skip
    payload = told[2][2] if isinstance(told[2][2], dict) else json.loads(told[2][2])
    assert payload == {
        "kind": "resolved",
        "incident": first[0].id,
        "collection": "docs",
        "severity": "critical",
        "cause": "model",
        "causes": [],
        "confidence": 0.9,
        "readings": [
            {
                "detector": "canary",
                "signal": "canary",
                "value": 0.0,
                "n": 64,
                "log_p": None,
                "effect": None,
                "effect_floor": 0.0,
                "threshold": 1e-4,
            },
        ],
        "fired": [A, B],
        "opened_at": "2026-03-02T13:00:00+00:00",
        "updated_at": "2026-03-02T17:00:00+00:00",
        "resolved_at": "2026-03-02T17:00:00+00:00",
        "window": {"start": "2026-03-02T16:00:00+00:00", "end": "2026-03-02T17:00:00+00:00"},
    }


def test_drift_found_in_a_catch_up_is_told_once_when_it_still_stands(store: Store, docs: Docs) -> None:
    docs.plan(3)
    for told in ([], [], ["opened"]):
        claimed = docs.claim()
        assert claimed.backfill == (told == [])
        store.commit(claimed, docs.outcome(claimed, **docs.drift(A)))
        assert docs.query("SELECT kind FROM outbox") == told
        assert [bool(b) for b in docs.query("SELECT backfill FROM incidents")] == [told == []]
    (incident,) = store.statuses(["docs"])[0].incidents
    assert incident.opened_at == NOON + HOUR
