from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.messages import DELIVERED, FactKind, Message, Receipt
from monitor.records import Event, Severity, Silence
from monitor.telling import RECHECK, Drop, Heard, Hold, Hush, Patience, Route, Send, decide, hush

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HUSHED = Hush("silence", NOON + HOUR, "why")


def silence(**changes: Any) -> Silence:
    given: dict[str, Any] = {
        "collection": "",
        "cause": "",
        "starts_at": NOON - HOUR,
        "ends_at": NOON + HOUR,
    } | changes
    return Silence(id=1, created_by="ada", reason="migration", **given)


def event(**changes: Any) -> Event:
    given: dict[str, Any] = {"at": NOON - HOUR, "planned": True, "grace_until": NOON + HOUR} | changes
    return Event(key="e", kind="model_push", title="embedder 2", **given)


@pytest.mark.parametrize(
    ("silences", "events", "silenced"),
    [
        ([], [], False),
        ([silence()], [], True),
        ([silence(collection="docs")], [], True),
        ([silence(collection="docs/tenant=acme")], [], True),
        ([silence(collection="docs/tenant=other")], [], False),
        ([silence(collection="doc")], [], False),
        ([silence(cause="questions")], [], True),
        ([silence(cause="corpus_shift")], [], False),
        ([silence(starts_at=NOON)], [], True),
        ([silence(starts_at=NOON + timedelta(seconds=1))], [], False),
        ([silence(ends_at=NOON)], [], False),
        ([], [event()], True),
        ([], [event(collection="docs")], True),
        ([], [event(collection="wiki")], False),
        ([], [event(planned=False)], False),
        ([], [event(grace_until=None)], False),
        ([], [event(grace_until=NOON)], False),
        ([], [event(at=NOON + timedelta(seconds=1))], False),
    ],
)
def test_who_silences_an_incident(silences: list[Silence], events: list[Event], silenced: bool) -> None:
    found = hush("docs/tenant=acme", "questions", NOON, silences, events)
    assert (found is not None) is silenced
    assert hush("docs/tenant=acme", "questions", NOON, reversed(silences), reversed(events)) == found


def test_of_several_the_one_that_ends_last_holds() -> None:
    found = hush("docs", "x", NOON, [silence(), silence(ends_at=NOON + 3 * HOUR)], [event()])
    assert found == Hush("silence", NOON + 3 * HOUR, "migration")


TOLD = Heard(told=True, severity="warning", ever=True)


@pytest.mark.parametrize(
    ("kind", "severity", "heard", "hushed", "acknowledged", "after"),
    [
        ("opened", "warning", Heard(), None, False, Send("opened")),
        ("updated", "warning", Heard(), None, False, Send("opened")),
        ("opened", "warning", TOLD, None, False, Send("updated")),
        ("updated", "warning", TOLD, None, True, Drop("silenced")),
        ("updated", "critical", TOLD, None, True, Send("updated")),
        ("opened", "warning", Heard(), None, True, Send("opened")),
        ("opened", "warning", Heard(), HUSHED, False, Hold(NOON + RECHECK)),
        ("updated", "critical", TOLD, HUSHED, True, Hold(NOON + RECHECK)),
        ("updated", "warning", TOLD, HUSHED, True, Drop("silenced")),
        ("resolved", "warning", TOLD, HUSHED, True, Send("resolved")),
        ("resolved", "warning", Heard(ever=True), None, False, Drop("superseded")),
        ("acknowledged", "warning", TOLD, HUSHED, True, Send("acknowledged")),
        ("acknowledged", "warning", Heard(), None, True, Drop("superseded")),
    ],
)
def test_what_becomes_of_a_delivery(
    kind: FactKind, severity: Severity, heard: Heard, hushed: Hush | None, acknowledged: bool, after: object
) -> None:
    assert decide(kind, severity, heard, hushed, NOON, acknowledged=acknowledged) == after


def test_a_silence_that_ends_soon_is_waited_for_to_its_end() -> None:
    soon = Hush("grace", NOON + timedelta(seconds=5), "push")
    assert decide("opened", "warning", Heard(), soon, NOON, acknowledged=False) == Hold(soon.until)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.none() | st.floats(-10, 1e9))
def test_a_pause_is_never_longer_than_it_may_be_and_never_shorter_than_asked(
    attempts: int, draw: float, asked: float | None
) -> None:
    patience = Patience()
    pause = patience.pause(attempts, draw, asked)
    assert 0 <= pause <= max(patience.longest, patience.longest_asked)
    if asked is not None:
        assert pause >= min(max(asked, 0), patience.longest_asked)


class Nobody:
    def send(self, message: Message) -> Receipt:
        return DELIVERED

    def describe(self) -> str:
        return ""


def test_a_route_takes_its_collections_with_their_segments() -> None:
    route = Route("hook", Nobody(), frozenset({"critical"}), frozenset({"docs"}))
    assert route.takes("docs", "critical")
    assert route.takes("docs/tenant=acme", "critical")
    assert not route.takes("docs", "warning")
    assert not route.takes("wiki", "critical")
    assert Route("hook", Nobody()).takes("wiki", "warning")
