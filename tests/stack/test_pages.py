"""The pages in a real browser: what they say, to whom, at which width, with and without scripts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.core_fakes import past

pytestmark = pytest.mark.stack

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
COLLECTION = f"/collections/{past.NAME}"
PAGES = ("/", f"{COLLECTION}?days=1", f"/collections/{past.SEGMENT}", "/incidents/1", "/login")
WINDOWS = 5000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = f"sqlite:///{tmp_path_factory.mktemp('past')}/driftmon.db"
    past.fill(made, WINDOWS, past.HOSTILE)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium (Debian package chromium) is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def server(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(past.TOKEN)
    with past.serving(url, token) as running:
        yield running.url


class Look:
    """A page that remembers what the browser complained about and where it wanted to go."""

    def __init__(self, browser: Any, server: str, *, signed_in: bool = True, **context: Any) -> None:
        self.server = server
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type in {"error", "warning"} else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.add(request.url))
        if signed_in:
            self.page.goto(f"{server}/login")
            self.page.fill("#token", past.TOKEN)
            self.page.fill("#name", "Noor")
            self.page.click("main button")

    def open(self, path: str) -> Any:
        self.page.goto(self.server + path, wait_until="load")
        return self.page

    def require_calm(self) -> None:
        assert self.complaints == []
        hosts = {urlsplit(each).netloc for each in self.asked if not each.startswith("data:")}
        assert hosts == {urlsplit(self.server).netloc}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_every_page_at_every_width(browser: Any, server: str, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    look = Look(browser, server, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in PAGES:
        page = look.open(path)
        page.wait_for_timeout(150)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (path, wide)
        found = Axe().run(page).response["violations"]
        serious = [
            (v["id"], [node["html"][:120] for node in v["nodes"]][:3])
            for v in found
            if v["impact"] in {"serious", "critical"}
        ]
        assert not serious, f"{path}: {json.dumps(serious, indent=1)}"
    look.require_calm()
    look.context.close()


def test_without_scripts_everything_is_readable(browser: Any, server: str) -> None:
    look = Look(browser, server, java_script_enabled=False)
    page = look.open(COLLECTION)
    assert page.locator("svg[role=img]").count() == past.STREAMS
    assert "latest" in page.locator("svg[role=img]").first.get_attribute("aria-label")
    assert page.get_by_text("▲ fires").count() >= 2
    page.get_by_role("link", name="Incident 1").first.click()
    assert page.get_by_text("Queries are embedded by another model").count() == 1
    # People act without scripts as well.
    page.get_by_role("button", name="Acknowledge incident 1").click()
    assert page.get_by_role("status").inner_text() == "Acknowledged."
    assert page.get_by_text("Noor has it since").count() == 1
    look.require_calm()
    look.context.close()


def test_with_scripts_the_charts_answer_the_pointer(browser: Any, server: str) -> None:
    look = Look(browser, server, viewport={"width": 1440, "height": 900})
    page = look.open(COLLECTION)
    chart = page.locator(".chart").first
    chart.scroll_into_view_if_needed()
    page.wait_for_selector(".chart canvas")
    assert chart.get_attribute("role") == "img"
    assert "detector_0.canary" in chart.get_attribute("aria-label")
    chart.hover(position={"x": 400, "y": 40})
    page.wait_for_function("document.querySelector('.chart').textContent.includes('UTC')")
    assert page.locator("img").count() == 0  # the hostile title is text
    look.require_calm()
    look.context.close()


def test_the_keyboard_reaches_what_the_mouse_does(browser: Any, server: str) -> None:
    look = Look(browser, server)
    page = look.open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
    assert past.NAME in names
    look.context.close()


def test_five_thousand_windows_open_in_two_seconds(browser: Any, server: str) -> None:
    look = Look(browser, server, viewport={"width": 1440, "height": 900})
    began = time.monotonic()
    page = look.open(f"{COLLECTION}?days=90")
    page.wait_for_selector(".chart")
    took = time.monotonic() - began
    print(f"5,000 windows of {past.STREAMS} readings opened in {took:.2f} s")
    assert page.get_by_text("5000 windows").count() == 1
    # The aim is 2 s on a machine of its own; the figure is measured by benchmarks/bench_pages.py.
    assert took < 20
    look.context.close()


def test_the_report_is_one_file_that_asks_for_nothing(browser: Any, url: str, tmp_path: Path) -> None:
    from monitor.store import Store
    from monitor.web.page import Visit
    from monitor.web.pages import render_collection

    store = Store.open(url)
    view = past.make_desk(store).collection(past.NAME, 1)
    store.close()
    assert view is not None
    file = tmp_path / "report.html"
    file.write_text(render_collection(view, Visit(file=True), 1), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.locator(".chart").first.scroll_into_view_if_needed()
    page.wait_for_selector(".chart canvas")
    assert complaints == []
    assert [each for each in asked if not each.startswith("data:")] == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    context.close()
