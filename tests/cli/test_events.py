from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


def test_an_event_is_told_listed_and_kept_once(driftmon: Run, example: Any) -> None:
    told = ("event", "add", "model_push", "bge 2", "--collection", "example", "--key", "run-7")
    said = driftmon(*told, "-c", example.config)
    assert (said.code, said.out) == (0, "event run-7 recorded\n")
    again = driftmon(*told, "--json", "-c", example.config)
    assert (again.code, again.json["result"]) == (0, "known")
    listed = driftmon("event", "list", "example", "--json", "-c", example.config).json
    assert [event["key"] for event in listed] == ["run-7"]
    assert listed[0]["kind"] == "model_push"
    table = driftmon("event", "list", "-c", example.config)
    assert "bge 2" in table.out


def test_a_planned_change_prints_the_command_for_a_baseline(driftmon: Run, example: Any) -> None:
    said = driftmon(
        "event", "add", "reindex", "new chunks", "--planned", "--grace", "90m", "--at", "2026-03-01T12:00:00Z",
        "-c", example.config,
    )  # fmt: skip
    assert said.code == 0
    assert "drift pages nobody until 2026-03-01T13:30:00+00:00" in said.out
    assert "driftmon baseline build example --start 2026-03-01T13:30:00Z" in said.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("party", "x"), "event.kind"),
        (("deploy", ""), "event.title"),
        (
            ("deploy", "x", "--collection", "none"),
            "'none' is not watched; leave it out for all, or name one of",
        ),
        (("deploy", "x", "--grace", "2h"), "only a planned change has one"),
        (("deploy", "x", "--url", "javascript:1"), "event.url"),
        (("deploy", "x", "--at", "noon"), "'noon' is no time"),
    ],
)
def test_what_is_wrong_is_told(driftmon: Run, example: Any, arguments: tuple[str, ...], told: str) -> None:
    said = driftmon("event", "add", *arguments, "-c", example.config)
    assert said.code == 2
    assert told in said.err
