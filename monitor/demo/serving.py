"""The status page over the demo's data: the same pages as the daemon's, standing still where the story ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from monitor.config import Config
from monitor.daemon import take_snapshot
from monitor.daemon.desk import StoreDesk
from monitor.demo.scenario import NAME, STORE, Story
from monitor.metrics import Exporter
from monitor.store import Store
from monitor.web import Server, create_app, serve, summarize
from monitor.wiring import Deployment


@contextmanager
def served(story: Story, folder: Path, host: str, port: int) -> Iterator[Server]:
    """Serve the story's pages until left; raises `EdgeError` where the address cannot be listened on."""
    with closing(Store.open(f"sqlite:///{folder / STORE}")) as store:
        deployment = deployment_of(story)
        snapshot = take_snapshot(store, deployment, story.now)
        exporter = Exporter(max_age=float("inf"))
        exporter.publish(snapshot)
        # Nobody's secrets are in the standard library's documentation: words and examples are shown to all.
        desk = StoreDesk(lambda: store, lambda: deployment, lambda: story.now, public_texts=True)
        app = create_app(
            metrics=exporter.render,
            alive=lambda: None,
            ready=lambda: None,
            status=lambda: summarize(snapshot),
            desk=desk,
        )
        server = serve(app, host, port)
        try:
            yield server
        finally:
            server.stop()


def deployment_of(story: Story) -> Deployment:
    """Return the story's collection as a deployment of its own."""
    if story.collection is None:
        raise ValueError("the story has not been played to its end")
    # Its edges are in the collection already; the section only has to be there.
    settings: dict[str, Any] = {"window": "1h", "source": {"type": "sql"}}
    config = Config.model_validate({"collections": {NAME: settings}})
    return Deployment(config, {NAME: story.collection}, {NAME: story.threshold})
