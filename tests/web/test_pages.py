"""The pages over a real store, asked as a browser asks: who may read, who may act, and what stands in them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from monitor.errors import StoreError
from monitor.metrics import Exporter
from monitor.store import Store
from monitor.web import Limits, create_app, serve, summarize
from monitor.web.pages import safe_place
from tests.core_fakes import past
from tests.web.test_page import Outline

BEARER = {"Authorization": f"Bearer {past.TOKEN}"}
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
COLLECTION = f"/collections/{past.NAME}"
PAGES = ("/", COLLECTION, f"/collections/{past.SEGMENT}", f"{COLLECTION}?days=1", "/incidents/1")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = f"sqlite:///{tmp_path_factory.mktemp('past')}/driftmon.db"
    past.fill(made, 60, past.HOSTILE)
    return made


@pytest.fixture(scope="module")
def server(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(past.TOKEN)
    with past.serving(url, token) as running:
        yield running.url


@pytest.fixture
def reader(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, headers=BEARER, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def person(server: str) -> Iterator[httpx.Client]:
    """A browser that has signed in."""
    with httpx.Client(base_url=server, headers=BROWSER, timeout=20, trust_env=False) as client:
        answer = client.post("/login", data={"token": past.TOKEN, "name": "Noor", "next": ""})
        assert (answer.status_code, answer.headers["location"]) == (303, "?said=in")
        yield client


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


@pytest.mark.parametrize("path", PAGES)
def test_no_hostile_text_becomes_markup(reader: httpx.Client, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 200
    page = Outline(re.sub(r"<script type=\"application/json\".*?</script>", "", answer.text, flags=re.DOTALL))
    assert not page.named("img")
    scripts = [a for a in page.named("script") if "src" not in a]
    assert scripts == []
    assert not page.named("style")
    for _, attributes in page.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    # Inside the data of the charts nothing can end the element.
    for data in re.findall(r"<script type=\"application/json\"[^>]*>(.*?)</script>", answer.text, re.DOTALL):
        assert "<" not in data


@pytest.mark.parametrize("path", PAGES[1:])
def test_hostile_texts_are_shown_as_they_are(reader: httpx.Client, path: str) -> None:
    text = reader.get(path).text
    assert "&lt;script&gt;alert(" in text


def test_a_collection_shows_its_readings_verdicts_and_marks(reader: httpx.Client) -> None:
    text = reader.get(COLLECTION).text
    for said in ("detector_0.canary", "▲ fires", "Incident 1", "model query side", "10^390.9", "Baseline 2"):
        assert said in text
    assert text.count("<svg") == past.STREAMS
    assert 'class="event"' in text
    assert 'class="band critical"' in text
    assert "driftmon baseline build support-docs --start" in text  # the planned change offers a baseline


def test_an_incident_says_cause_evidence_event_and_next_step(reader: httpx.Client) -> None:
    text = reader.get("/incidents/1").text
    assert "Queries are embedded by another model" in text
    assert "A model push was recorded 12 minutes before the first window in drift" in text
    assert "DriftDetected.md" in text
    assert "The first window in drift begins" in text
    data = reader.get("/api/v1/incidents/1").json()
    assert data["told"]["events"][0].startswith("a model push was recorded 12 minutes before")
    assert data["cause"] == "model_query_side"


def test_what_is_not_there_is_not_found(reader: httpx.Client) -> None:
    for path in (
        "/collections/none",
        "/incidents/99",
        f"/incidents/{2**70}",
        "/assets/../app.py",
        "/assets/x.js",
    ):
        assert reader.get(path).status_code == 404, path
    assert reader.get("/api/v1/collections/none").status_code == 404
    assert reader.get("/api/v1/incidents/99").status_code == 404


def test_a_browser_without_a_token_gets_a_form_and_nothing_else(server: str) -> None:
    for path in (*PAGES, "/none"):
        answer = httpx.get(server + path, headers=BROWSER, trust_env=False)
        assert answer.status_code == 401
        assert 'name="token"' in answer.text
        assert past.NAME not in re.sub(r'(name="next" value|href)="[^"]*"', "", answer.text)
        assert "Basic" not in answer.headers["www-authenticate"]
    assert httpx.get(server + "/v1/events", trust_env=False).status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: str) -> None:
    answer = httpx.post(f"{server}/login", data={"token": past.TOKEN}, trust_env=False)
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert past.TOKEN not in cookie


@pytest.mark.parametrize(
    ("headers", "data", "code"),
    [
        ({}, {"token": "wrong-wrong-wrong-wrong"}, 401),
        ({"Sec-Fetch-Site": "cross-site"}, {"token": past.TOKEN}, 403),
        ({"Origin": "https://evil.example"}, {"token": past.TOKEN}, 403),
        ({}, {}, 401),
    ],
)
def test_no_session_without_the_token_or_from_elsewhere(
    server: str, headers: dict[str, str], data: dict[str, str], code: int
) -> None:
    answer = (
        httpx.post(f"{server}/login", headers=headers, data=data, content=None, trust_env=False)
        if data
        else (httpx.post(f"{server}/login", headers=FORM, content=b"a=b", trust_env=False))
    )
    assert answer.status_code == code
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "place", ["//evil.example", "https://evil.example", "/\\evil", "a/../..", "..", "x\r\ny"]
)
def test_signing_in_leads_nowhere_else(server: str, place: str) -> None:
    answer = httpx.post(f"{server}/login", data={"token": past.TOKEN, "next": place}, trust_env=False)
    assert answer.headers["location"] == "?said=in"
    assert safe_place(place) == ""


def test_a_person_acknowledges_silences_and_promotes(person: httpx.Client, url: str) -> None:
    page = person.get(COLLECTION).text
    assert "Signed in as Noor" in page
    form = {"csrf": csrf(page), "collection": past.NAME}
    done = person.post("/actions/acknowledge", data={**form, "incident": "1"})
    assert (done.status_code, done.headers["location"]) == (303, "../incidents/1?said=acknowledged")
    done = person.post(
        "/actions/silence", data={**form, "span": "4h", "reason": "known", "cause": "questions"}
    )
    assert done.headers["location"] == "../collections/support-docs?said=silenced"
    done = person.post("/actions/promote", data={**form, "baseline": "2", "reason": "after the push"})
    assert done.headers["location"] == "../collections/support-docs?said=promoted"
    store = Store.open(url)
    try:
        incident = store.incident(1)
        assert incident is not None
        assert incident.acknowledged_by == "Noor"
        assert [s.cause for s in store.silences(past.NOW) if s.created_by == "Noor"] == ["questions"]
        active = store.active_baseline(past.NAME)
        assert active is not None
        assert active.id == 2
        actions = [(entry.actor, entry.action) for entry in store.audit(past.NAME)]
        assert {("Noor", "acknowledge"), ("Noor", "silence"), ("Noor", "promote_baseline")} <= set(actions)
        store.promote(1, "test", "as it was")
    finally:
        store.close()
    assert "Noor has it since" in person.get("/incidents/1").text


@pytest.mark.parametrize("action", ["promote", "silence", "acknowledge"])
@pytest.mark.parametrize("how", ["no session", "no csrf", "another's csrf", "cross-site", "bearer", "basic"])
def test_a_forged_form_does_nothing(
    server: str, person: httpx.Client, action: str, how: str, url: str
) -> None:
    page = person.get(COLLECTION).text
    data = {"collection": past.NAME, "baseline": "2", "incident": "2", "span": "4h", "csrf": csrf(page)}
    headers: dict[str, str] = {}
    if how == "no csrf":
        del data["csrf"]
    if how == "another's csrf":
        data["csrf"] = "0" * 64
    if how == "cross-site":
        headers = {"Sec-Fetch-Site": "same-site"}
    if how == "bearer":
        headers = BEARER
    if how in {"no session", "bearer", "basic"}:
        auth = ("x", past.TOKEN) if how == "basic" else None
        answer = httpx.post(
            f"{server}/actions/{action}", data=data, headers=headers, auth=auth, trust_env=False
        )
    else:
        answer = person.post(f"/actions/{action}", data=data, headers=headers)
    assert answer.status_code in {401, 403}
    store = Store.open(url)
    incident = store.incident(2)
    store.close()
    assert incident is not None
    assert incident.acknowledged_at is None


@pytest.mark.parametrize(
    ("action", "data", "told"),
    [
        ("promote", {"collection": past.NAME, "baseline": "99"}, "no baseline 99"),
        ("promote", {"collection": past.NAME, "baseline": "٣"}, "no baseline 0"),
        ("promote", {"collection": past.NAME}, "lacks the field baseline"),
        ("silence", {"collection": "none", "span": "4h"}, "is watched"),
        ("silence", {"collection": past.NAME, "span": "4y"}, "a duration is"),
        ("silence", {"collection": past.NAME, "span": "90d"}, "at most 30d"),
        ("acknowledge", {"incident": "99"}, "no incident 99"),
    ],
)
def test_a_wrong_form_is_told_in_plain_words(
    person: httpx.Client, action: str, data: dict[str, str], told: str
) -> None:
    form = {**data, "csrf": csrf(person.get(COLLECTION).text)}
    answer = person.post(f"/actions/{action}", data=form)
    assert answer.status_code == 422
    assert told in answer.text


def test_signing_out_ends_the_session(person: httpx.Client) -> None:
    done = person.post("/logout", data={"csrf": csrf(person.get("/").text)})
    assert "Max-Age=0" in done.headers["set-cookie"]
    person.cookies.clear()
    assert person.get("/").status_code == 401


def test_without_a_token_everybody_reads_and_nobody_writes(url: str) -> None:
    with past.serving(url) as server:
        assert httpx.get(server.url + COLLECTION, trust_env=False).status_code == 200
        for path in ("/v1/events", "/login", "/actions/silence", "/actions/promote"):
            answer = httpx.post(server.url + path, content=b"{}", trust_env=False)
            assert answer.status_code == 403
            assert "set web.token_file" in answer.text


class Broken:
    """A desk whose database is away, or hangs."""

    def __init__(self, hang: threading.Event | None = None) -> None:
        self.hang = hang

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> Any:
            if self.hang is not None:
                self.hang.wait(30)
            raise StoreError("postgresql://db/driftmon: connection refused; check that the server is up")

        return fail


@pytest.mark.parametrize("hangs", [False, True])
def test_an_outage_shows_the_last_snapshot_and_says_so(
    hangs: bool, snapshot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.web.desk.SECONDS", 0.3)
    release = threading.Event()
    desk: Any = Broken(release if hangs else None)
    exporter = Exporter()
    app = create_app(
        metrics=exporter.render,
        alive=lambda: None,
        ready=lambda: None,
        status=lambda: summarize(snapshot),
        limits=Limits(burst=1000),
        desk=desk,
    )
    server = serve(app, "127.0.0.1", 0)
    try:
        answer = httpx.get(f"{server.url}/collections/support", timeout=20, trust_env=False)
        assert answer.status_code == 200
        assert "The database cannot be read now" in answer.text
        assert "centroid_distance.queries" in answer.text
        assert httpx.get(f"{server.url}/incidents/2", timeout=20, trust_env=False).status_code == 503
        for _ in range(8):  # more than the pages have places
            httpx.get(f"{server.url}/collections/support", timeout=20, trust_env=False)
        began = time.monotonic()
        assert httpx.get(f"{server.url}/-/healthy", timeout=20, trust_env=False).status_code == 200
        assert httpx.get(f"{server.url}/metrics", timeout=20, trust_env=False).status_code == 200
        assert time.monotonic() - began < 5
    finally:
        release.set()
        server.stop()
