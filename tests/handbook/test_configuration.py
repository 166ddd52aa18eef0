from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from handbook.build import PAGES
from handbook.configuration import SECTIONS, configuration
from monitor.config import models
from monitor.plugins import GROUPS, available

ROOT = Path(__file__).parents[2]
ROWS = [line for line in configuration().splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_page_is_the_generated_one(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), "run `make generate`"


@pytest.mark.parametrize("model", [models.Config, *SECTIONS], ids=lambda model: model.__name__)
def test_every_key_of_every_section_has_a_row(model: type[BaseModel]) -> None:
    title = model.__name__.removesuffix("Config") or "driftmon.yaml"
    section = configuration().split(f"\n## {title}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(model.model_fields)


@pytest.mark.parametrize("group", GROUPS)
def test_every_plugin_has_its_part(group: str) -> None:
    page = configuration()
    for name in available(group):
        assert re.search(rf"^### \w+ {re.escape(name)}$", page, re.MULTILINE)


def test_every_row_says_what_the_key_means() -> None:
    for row in ROWS:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert len(cells) == 4, row
        assert all(cells), row


def test_secrets_have_no_default_that_is_one() -> None:
    secret = [row for row in ROWS if "secret" in row.split("|")[2]]
    assert len(secret) >= 3
    harmless = r"\*\*required\*\*|none|`sqlite:///driftmon.db`|`https://events.pagerduty.com/v2/enqueue`"
    assert all(re.search(harmless, row) for row in secret)
