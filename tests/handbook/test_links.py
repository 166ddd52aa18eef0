"""Every relative link, picture and anchor of the documents leads somewhere; the site's build checks pages only."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def prose(path: Path) -> str:
    """The document without its code."""
    text = re.sub(r"(?ms)^(```|~~~).*?^\1", "", path.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", "", text)


def links(path: Path) -> list[str]:
    return [target for target in LINK.findall(prose(path)) if not re.match(r"[a-z]+:", target)]


@cache
def anchors(path: Path) -> frozenset[str]:
    """The anchors that Python-Markdown gives the headings of a page, as the site has them."""
    text = re.sub(r"(?ms)^(```|~~~).*?^\1", "", path.read_text(encoding="utf-8"))
    found: list[str] = []
    for heading in re.findall(r"(?m)^#{1,6} (.+?)\s*#*$", text):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
        found.append(f"{slug}_{found.count(slug)}" if slug in found else slug)
    return frozenset(found)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path):
        target, _, anchor = link.partition("#")
        place = (path.parent / target).resolve() if target else path
        assert place.exists(), f"{path.name}: {link}"
        if anchor:
            assert anchor in anchors(place), f"{path.name}: {link}; there are {sorted(anchors(place))}"


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_a_page_of_the_site_links_only_to_what_the_site_has(path: Path) -> None:
    for link in links(path):
        assert (path.parent / link.partition("#")[0]).resolve().is_relative_to(DOCS), link


def pages(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    values = entry.values() if isinstance(entry, dict) else entry
    return [page for each in values for page in pages(each)]


def test_the_navigation_has_every_page_once() -> None:
    nav = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert len(nav) == len(set(nav))
    there = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert set(nav) == there


def test_the_check_sees_what_is_broken(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n## Two words\n[a](gone.md) ![b](b.png) [c](#two-words) [d](https://x.example) `[e](f)`\n"
    )
    assert links(page) == ["gone.md", "b.png", "#two-words"]
    assert anchors(page) == {"one", "two-words"}
    with pytest.raises(AssertionError):
        test_links_lead_somewhere(page)
