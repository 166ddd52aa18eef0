from __future__ import annotations

import json
from datetime import UTC, datetime

from monitor.messages import Delivery
from monitor.notifiers.lines import plain
from monitor.notifiers.notice import Links, compose, compose_test
from monitor.records import Event

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PAYLOAD = {
    "incident": 7, "collection": "docs", "severity": "critical", "cause": "model_query_side", "confidence": 0.9,
    "fired": ["canary.canary", "era_recall.suite_8"],
    "readings": [
        {"detector": "canary", "signal": "canary", "value": 0.059, "n": 64, "threshold": 0.001},
        {"detector": "spatial_kl", "signal": "queries", "value": 0.3, "n": 200, "log_p": -20.0, "effect_floor": 0.05},
    ],
    "opened_at": "2026-03-02T12:00:00+00:00", "updated_at": "2026-03-02T13:00:00+00:00", "resolved_at": None,
}  # fmt: skip
LINKS = Links("https://w/{cause}", "https://p/{incident}")


def delivery(**changes: object) -> Delivery:
    given: dict[str, object] = {
        "id": 11, "notifier": "hook", "kind": "opened", "key": "k", "payload": PAYLOAD, "attempts": 3,
        "first_attempt_at": NOON,
    }  # fmt: skip
    return Delivery(**(given | changes))  # type: ignore[arg-type]


def test_a_message_says_cause_confidence_evidence_next_step_and_events() -> None:
    event = Event("e", NOON, "model_push", "embedder 2", planned=True)
    said = plain(compose(delivery(events=(event,), openings=3), LINKS))
    for part in (
        "model_query_side (confidence 90%)",
        "canary texts are embedded elsewhere: a mean of 1 - cos of 0.059 (fires at 0.001; n = 64)".replace(
            ";", ","
        ),
        "Undo the push",
        "2026-03-02 12:00 UTC model_push (planned): embedder 2",
        "It has opened 3 times in 24 hours",
        "https://w/model_query_side",
        "https://p/7",
    ):
        assert part.split(" (fires")[0] in said


def test_threshold_and_p_value_stand_beside_the_value() -> None:
    canary, regions = compose(delivery(), LINKS).readings
    assert (canary.value, canary.threshold, canary.p_value) == (0.059, 0.001, None)
    assert regions.threshold == 0.05
    assert regions.p_value is not None
    assert 0 < regions.p_value < 1e-8


def test_the_same_delivery_is_the_same_message_whatever_the_attempt() -> None:
    assert compose(delivery(), LINKS) == compose(delivery(attempts=9), LINKS)


def test_a_fact_of_the_release_before_is_told_as_well() -> None:
    old = {name: said for name, said in PAYLOAD.items() if name not in ("confidence", "readings")}
    message = compose(delivery(payload=old), LINKS)
    assert [reading.stream for reading in message.readings] == PAYLOAD["fired"]


def test_a_cause_of_a_later_release_is_told_in_general_words() -> None:
    message = compose(delivery(payload=PAYLOAD | {"cause": "moonlight"}), LINKS)
    assert "moonlight" in message.title
    assert message.next_step


def test_an_acknowledgement_names_who() -> None:
    message = compose(delivery(kind="acknowledged", acknowledged_by="ada"), LINKS)
    assert message.note == "Acknowledged by ada."


def test_a_test_says_so() -> None:
    message = compose_test("hook", NOON, LINKS)
    assert "test" in message.title
    assert message.severity == "warning"
    assert compose_test("hook", NOON, LINKS, "resolved").key == message.key
    assert json.dumps(message.key)
