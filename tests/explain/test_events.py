from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.explain import offer_baselines, tell_events
from monitor.records import Event

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def event(minutes: float, kind: str = "deploy", title: str = "v2", **more: object) -> Event:
    return Event(f"{minutes}", NOON + minutes * MINUTE, kind, title, **more)  # type: ignore[arg-type]


def test_the_nearest_event_is_told_first_and_what_is_far_not_at_all() -> None:
    events = [event(-1441), event(-90, "reindex"), event(-12, "model_push"), event(7), event(61)]
    assert tell_events(events, NOON, NOON + 60 * MINUTE) == (
        "a deploy was recorded 7 minutes after the first window in drift began: v2",
        "a model push was recorded 12 minutes before the first window in drift: v2",
        "a re-indexing was recorded 1 hour before the first window in drift: v2",
    )


def test_a_planned_change_is_called_so() -> None:
    (said,) = tell_events([event(0, planned=True)], NOON, NOON)[:1] or ("",)
    assert said == ""  # at its very moment it lies in no window yet
    (said,) = tell_events([event(0, planned=True)], NOON, NOON + MINUTE)
    assert said == "a deploy was recorded as the first window in drift began (planned): v2"


def test_only_a_planned_change_offers_a_baseline() -> None:
    assert offer_baselines(event(0), ["docs"]) == ()
    planned = event(0, title="it's; rm -rf /", planned=True, grace_until=NOON + 60 * MINUTE)
    commands = offer_baselines(planned, ["docs", "wiki"])
    assert [command.split()[3] for command in commands] == ["docs", "wiki"]
    assert "--start 2026-03-02T13:00:00Z" in commands[0]
    assert commands[0].endswith("""'after deploy: it'"'"'s; rm -rf /'""")  # safe to paste
