from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.records import CollectionStatus, Snapshot, Verdict
from monitor.web import summarize
from monitor.web.page import render_page

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeStatus = Callable[..., CollectionStatus]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VOID = {"meta", "link"}


class Outline(HTMLParser):
    """The tags of a page, checked to be nested, and its visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(*collections: CollectionStatus, config_ok: bool = True) -> Outline:
    return Outline(render_page(summarize(Snapshot(NOW, collections, config_ok=config_ok))))


def headline(*collections: CollectionStatus) -> str:
    page = page_of(*collections)
    title = page.text[page.text.index(next(t for t in page.text if t.endswith("· driftmon")))]
    return title.removesuffix(" · driftmon")


def test_the_table_says_all_of_a_collection(snapshot: Snapshot) -> None:
    text = " ".join(page_of(*snapshot.collections).text)
    for word in (
        "support",
        "drift",
        "critical",
        "model query side",
        "2026-03-01 11:40 UTC",
        "20 minutes behind",
    ):
        assert word in text


def test_the_most_urgent_collection_comes_first(snapshot: Snapshot) -> None:
    text = page_of(*snapshot.collections).text
    assert text.index("support") < text.index("docs")


def test_every_cell_has_its_heading(snapshot: Snapshot) -> None:
    page = page_of(*snapshot.collections)
    assert len(page.named("caption")) == 1
    assert [a["scope"] for a in page.named("th")] == ["col"] * 6 + ["row"] * 2
    labels = [a["data-label"] for a in page.named("td")]
    assert labels == ["State", "Severity", "Cause", "Last window", "Freshness"] * 2


def test_only_open_incidents_are_listed_with_what_fired(drifting: CollectionStatus) -> None:
    text = " ".join(page_of(drifting).text)
    assert "since 2026-03-01 09:00 UTC" in " ".join(text.split())
    assert "era_recall.suite" in text
    assert "corpus growth" not in text


def test_the_page_needs_no_script_and_nothing_from_elsewhere(snapshot: Snapshot) -> None:
    page = page_of(*snapshot.collections)
    assert page.named("script") == page.named("style") == page.named("img") == []
    assert [a["href"] for a in page.named("link")] == ["data:,", "style.css"]
    assert not [
        name for _, attributes in page.tags for name in attributes if name == "style" or name[:2] == "on"
    ]
    assert page.named("html") == [{"lang": "en"}]
    assert [a for a in page.named("meta") if a.get("name") == "viewport"]


def test_the_headline_tells_the_worst(make_status: MakeStatus, drifting: CollectionStatus) -> None:
    quiet = make_status()
    warning = make_status(collection="wiki", verdict=Verdict("drift", "warning"))
    stale = make_status(window_end=NOW - timedelta(days=2))
    waiting = make_status(verdict=None, window_end=None)
    assert headline() == "No collection is watched yet"
    assert headline(quiet) == "All quiet"
    assert headline(quiet, waiting) == "1 of 2 collections quiet"
    assert headline(quiet, stale) == "1 of 2 collections cannot be judged"
    assert headline(quiet, stale, warning) == "1 of 3 collections in drift"
    assert headline(quiet, warning, drifting) == "1 of 3 collections critical"
    assert headline(drifting) == "1 of 1 collection critical"


def test_a_stale_collection_is_never_shown_as_fresh(make_status: MakeStatus) -> None:
    text = page_of(make_status(window_end=NOW - timedelta(days=2))).text
    assert "stale, 2 days behind" in text


def test_problems_and_a_failed_reload_are_told(make_status: MakeStatus) -> None:
    status = make_status(verdict=Verdict("invalid", "warning", problems=("half the vectors are zero",)))
    page = page_of(status, config_ok=False)
    assert ": half the vectors are zero" in page.text
    assert [a for a in page.named("p") if a.get("role") == "alert"]


def test_the_page_stands_before_the_first_snapshot() -> None:
    page = Outline(render_page(summarize(None)))
    assert "The first snapshot has not been read yet." in page.text
    assert page.named("table") == []


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "'\"`"]
)
def test_hostile_names_are_shown_as_they_are(drifting: CollectionStatus, hostile: str) -> None:
    incident = replace(drifting.incidents[0], cause=hostile, fired=(hostile,))
    page = page_of(replace(drifting, collection=hostile, incidents=(incident,)))
    assert page.named("script") == page.named("img") == []
    assert hostile in page.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])), st.text(alphabet="<>&\"' =/!-"))
def test_no_name_changes_the_structure(drifting: CollectionStatus, name: str, markup: str) -> None:
    expected = page_of(replace(drifting, verdict=Verdict("invalid", problems=("x",)))).tags
    hostile = replace(
        drifting, collection=name + markup, verdict=Verdict("invalid", problems=(markup + name,))
    )
    assert page_of(hostile).tags == expected


def test_segments_stand_under_their_collection_and_lift_it(make_status: MakeStatus) -> None:
    page = page_of(
        make_status(collection="docs-2", verdict=Verdict("invalid", "warning")),
        make_status(collection="docs"),
        make_status(collection="docs/tenant=acme"),
        make_status(collection="docs/tenant=globex", verdict=Verdict("drift", "critical")),
        make_status(collection="gone/tenant=acme"),
    )
    rows = [attributes.get("class") for attributes in page.named("tr")]
    assert rows == [None, None, "segment", "segment", None, None]
    names = ("docs", "docs/", "tenant=globex", "tenant=acme", "docs-2", "gone/tenant=acme")
    places = [page.text.index(name) for name in names[:3]] + [page.text.index(n) for n in names[3:]]
    assert places == sorted(places)


def test_the_headline_counts_segments_apart(make_status: MakeStatus) -> None:
    drifting = make_status(collection="docs/tenant=a", verdict=Verdict("drift", "warning"))
    assert headline(make_status(collection="docs"), drifting) == "1 of 1 collection and 1 segment in drift"
