from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.core_fakes import past

BEARER = {"Authorization": f"Bearer {past.TOKEN}"}
PUSH = {"kind": "model_push", "title": "bge 2", "key": "run-7", "collection": past.NAME}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("events")
    (folder / "token").write_text(past.TOKEN)
    url = f"sqlite:///{folder}/driftmon.db"
    past.fill(url, 20)
    with past.serving(url, folder / "token") as running:
        yield running.url


def tell(server: str, body: Any = PUSH, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **BEARER, **headers}
    return httpx.post(f"{server}/v1/events", content=content, headers=sent, timeout=20, trust_env=False)


def test_an_event_is_created_once_and_known_after_that(server: str) -> None:
    first, again = tell(server), tell(server, {**PUSH, "title": "told otherwise"})
    assert (first.status_code, first.json()["result"]) == (201, "created")
    assert (again.status_code, again.json()["result"]) == (200, "known")
    assert again.json()["event"] == first.json()["event"]
    listed = httpx.get(f"{server}/v1/events?collection={past.NAME}", headers=BEARER, trust_env=False).json()
    assert [e["key"] for e in listed["events"]].count("run-7") == 1
    assert "access-control-allow-origin" not in first.headers


def test_a_planned_change_offers_the_command_for_a_baseline(server: str) -> None:
    planned = {**PUSH, "key": "plan-8", "planned": True, "grace": "90m", "at": "2026-03-20T11:00:00Z"}
    answer = tell(server, planned).json()
    assert answer["event"]["grace_until"] == "2026-03-20T12:30:00+00:00"
    assert answer["next"] == [
        "driftmon baseline build support-docs --start 2026-03-20T12:30:00Z --reason 'after model push: bge 2'"
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "party"}, "event.kind"),
        ({"title": ""}, "event.title"),
        ({"title": "x" * 201}, "event.title"),
        ({"title": "a\nb"}, "event.title: is one line"),
        ({"collection": "none"}, "event.collection: 'none' is not watched"),
        ({"at": "2026-03-20T11:00:00"}, "event.at: a time with its zone"),
        ({"at": "1969-01-01T00:00:00Z"}, "event.at"),
        ({"at": "2036-01-01T00:00:00Z"}, "event.at"),
        ({"grace": "2h"}, "event.grace: only a planned change"),
        ({"planned": True, "grace": "400d"}, "event.grace"),
        ({"url": "javascript:alert(1)"}, "event.url"),
        ({"password": "hunter2"}, "event.password: unknown; known are at, collection, grace"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(server: str, change: dict[str, Any], told: str) -> None:
    answer = tell(server, {**PUSH, "key": "wrong", **change})
    assert answer.status_code == 422
    assert told in answer.json()["error"]
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"kind": NaN}', b"[" * 30_000])
def test_what_is_no_json_object_is_refused(server: str, body: bytes) -> None:
    assert tell(server, body).status_code in {411, 422}


def test_only_a_bearer_token_writes(server: str) -> None:
    body = json.dumps(PUSH).encode()
    kinds = {"Content-Type": "application/json"}
    url = f"{server}/v1/events"
    assert httpx.post(url, content=body, headers=kinds, trust_env=False).status_code == 401
    basic = httpx.post(url, content=body, headers=kinds, auth=("x", past.TOKEN), trust_env=False)
    assert basic.status_code == 403
    assert tell(server, PUSH, **{"Content-Type": "text/plain"}).status_code == 415
    assert tell(server, PUSH, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert tell(server, b"x" * 70_000).status_code == 413
    wrong = tell(server, PUSH, Authorization="Bearer wrong-wrong-wrong-wrong")
    assert wrong.status_code == 401
