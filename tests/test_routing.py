from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.config import parse_config
from monitor.errors import ConfigError
from monitor.routing import wire_routes
from monitor.telling import Route

SECRET = "https://hooks.example.com/services/hunter2"  # noqa: S105 it is to be looked for
HOOK = {"type": "webhook", "url": SECRET}
PAGER = {"type": "pagerduty", "routing_key": "hunter2"}
SLACK = {"type": "slack", "url": SECRET}
MAIL = {"type": "email", "host": "mail.example.com", "sender": "a@example.com", "to": ["b@example.com"]}
CHAT = {"type": "apprise", "urls": ["json://hunter2@example.com"]}


def wire(*entries: dict[str, Any], collections: tuple[str, ...] = ("docs", "wiki")) -> tuple[Route, ...]:
    source = {"source": {"type": "file", "path": "log.jsonl"}}
    data = {"collections": dict.fromkeys(collections, source), "notify": list(entries)}
    return wire_routes(parse_config(data, Path("driftmon.yaml")))


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (HOOK,),
        (PAGER,),
        (MAIL,),
        (PAGER, SLACK, CHAT),
        (PAGER, HOOK | {"pages": False}),
        (PAGER, MAIL | {"severities": ["warning"]}),
        (PAGER | {"collections": ["docs"]}, HOOK | {"collections": ["wiki"]}),
        (PAGER | {"severities": ["critical"]}, MAIL | {"severities": ["warning"], "pages": True}),
        (PAGER, SLACK, SLACK | {"name": "slack-wiki", "collections": ["wiki"]}),
    ],
    ids=str,
)
def test_one_entry_pages_for_every_critical_incident(entries: tuple[dict[str, Any], ...]) -> None:
    routes = wire(*entries)
    assert len(routes) == len(entries)
    for collection in ("docs", "wiki") if entries else ():
        assert sum(route.pages and route.takes(collection, "critical") for route in routes) == 1


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((SLACK,), "only 'slack', which do not page, would hear of critical incidents of 'docs'; let exactly one"),
        ((CHAT,), "nobody would hear of critical incidents of 'docs'"),
        ((HOOK | {"severities": ["warning"]},), "nobody would hear of critical incidents"),
        ((HOOK | {"collections": ["docs"]},), "nobody would hear of critical incidents of 'wiki'"),
        ((HOOK, PAGER), "'webhook', 'pagerduty' all page for critical incidents of 'docs', so people would be called"),
        ((HOOK, HOOK), "notify.1.name: 'webhook' stands twice"),
        ((SLACK | {"pages": True},), "notify.0.pages: slack is a chat and wakes nobody"),
        ((PAGER, CHAT | {"severities": ["critical"]}), "notify.1.severities: apprise cannot resolve"),
        ((HOOK | {"collections": ["dcs"]},), "notify.0.collections: no collection 'dcs'; there are docs, wiki"),
        ((HOOK | {"tokn": "hunter2"},), "notify.0.tokn: unknown key; known are"),
        ((HOOK | {"bearr": "hunter2"},), "notify.0.bearr: unknown key; did you mean 'bearer'?"),
        (({"type": "pager"},), "notify.0.type: 'pager' is not one of"),
        (({"type": "webhook"},), "notify.0.url"),
        ((HOOK | {"url": "http://hooks.example.com/hunter2"},), "http scheme is not allowed for 'hooks.example.com'"),
        ((HOOK | {"name": "Mine!"},), "notify.0.name: a name has lower-case letters"),
        ((HOOK | {"severities": ["fatal"]},), "notify.0.severities.0: Input should be 'warning' or 'critical'"),
        ((HOOK | {"severities": []},), "notify.0.severities"),
        (({"url": SECRET},), "notify.0.type: Field required"),
        ((MAIL | {"tls": "none", "username": "u", "password": "hunter2"},), "would travel in the clear"),
        ((MAIL | {"to": ["nobody"]},), "'nobody' is no mail address"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_mend_and_without_a_secret(
    entries: tuple[dict[str, Any], ...], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        wire(*entries)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_no_secret_is_in_a_repr() -> None:
    assert "hunter2" not in repr(wire(PAGER, SLACK, CHAT))
