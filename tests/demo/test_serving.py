"""The demo's pages, over a story that was not played: what the served folder holds is what is shown."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from monitor.demo.scenario import NAME, STORE, Story
from monitor.demo.serving import deployment_of, served
from monitor.pipeline import Collection
from monitor.store import schema
from tests.core_fakes import past
from tests.core_fakes.bench import Traffic


def story() -> Story:
    return Story(seed=1, k=10, threshold=10.0, collection=Collection(NAME, Traffic(NAME), ()), now=past.NOW)


def test_the_story_is_served_until_it_is_left(tmp_path: Path) -> None:
    schema.upgrade(f"sqlite:///{tmp_path / STORE}")
    with served(story(), tmp_path, "127.0.0.1", 0) as server:
        for path in ("/", f"/collections/{NAME}", "/metrics", "/-/ready", "/v1/events"):
            assert httpx.get(server.url + path, timeout=20, trust_env=False).status_code == 200
        assert NAME in httpx.get(server.url, trust_env=False).text
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url, trust_env=False)


def test_a_story_that_was_not_played_has_no_pages() -> None:
    with pytest.raises(ValueError, match="has not been played"):
        deployment_of(Story(seed=1, k=10, threshold=1.0))
