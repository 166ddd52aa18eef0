"""Seven days of 200 collections under a virtual clock: does memory grow, and does /metrics stay quick?"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.torture.report import figure, main
from monitor.baseline.codec import pack
from monitor.config import Config
from monitor.daemon import Daemon
from monitor.pipeline import Collection
from monitor.records import Record, Rejection, Window
from monitor.reference import take_baseline
from monitor.store import Store, schema
from monitor.wiring import Deployment, wire_detectors
from tests.core_fakes import world
from tests.core_fakes.bench import keep_baseline

HOUR = timedelta(hours=1)
QUIET = 24
RECORDS = 60


@dataclass(frozen=True)
class Traffic:
    """The same questions at the same time, whoever asks; nothing of them is kept."""

    name: str

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:  # noqa: ARG002 a protocol's
        """Yield the window's records."""
        rng = np.random.default_rng(int(start.timestamp()) % 997)
        for record in world.make_records(rng, world.draw(rng, RECORDS), f"{start:%d%H}"):
            yield Record(record.id, start, vector=record.vector, hits=record.hits, scores=record.scores)

    def describe(self) -> str:
        """Return its name."""
        return self.name


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the slope of the resident memory and the time of scrapes."""
    collections = 200 if scale >= 1.0 else max(20, round(200 * scale))
    hours = 168 if scale >= 1.0 else max(12, round(168 * scale))
    with TemporaryDirectory(prefix="driftmon-soak-") as folder:
        daemon, advance = _daemon(Path(folder), collections)
        daemon.front.open(daemon.deployment.config.web)
        memory: list[tuple[int, float]] = []
        scrapes: list[float] = []
        ended = threading.Event()
        scraper = threading.Thread(target=_scrape, args=(f"{daemon.front.url}/metrics", scrapes, ended))
        scraper.start()
        began = time.monotonic()
        try:
            for _ in range(hours):
                advance()
                daemon.tick()
                while not daemon.crew.idle():
                    time.sleep(0.005)
                gc.collect()
                memory.append((daemon.crew.ended, _resident()))
            daemon.tick()
        finally:
            ended.set()
            scraper.join(20)
            daemon.front.close()
        seconds = time.monotonic() - began
        done = sum(s.windows["done"] for s in daemon.store.statuses(sorted(daemon.deployment.collections)))
        daemon.store.close()
    # The first tenth warms caches, pools and the allocator.
    windows, resident = np.array(memory[len(memory) // 10 :]).T
    slope = float(np.polyfit(windows, resident, 1)[0]) * 1000
    return [
        figure(f"{collections} collections x {hours} h: windows", done, "windows"),
        figure("… lost", collections * hours - done, "windows", 0),
        figure("… growth of memory per 1,000 windows", slope / 1e6, "MB", 1.0),
        figure("… memory at the end", memory[-1][1] / 1e6, "MB"),
        figure("… scrapes of /metrics meanwhile", len(scrapes), "scrapes"),
        figure("… 99th percentile of a scrape", float(np.percentile(scrapes, 99)) * 1000, "ms", 500),
        figure("… windows a second", done / seconds, "1/s"),
    ]


def _daemon(folder: Path, count: int) -> tuple[Daemon, Any]:
    url = f"sqlite:///{folder}/driftmon.db"
    schema.upgrade(url)
    names = [f"collection-{i:03}" for i in range(count)]
    settings = {"window": HOUR, "lateness": timedelta(0), "sample_size": RECORDS, "source": {"type": "sql"}}
    config = Config.model_validate(
        {
            "collections": dict.fromkeys(names, settings),
            "web": {"listen": "127.0.0.1:0", "requests_per_second": 10_000},
        }
    )
    detectors = wire_detectors({}, index=False, suite=False, canaries=False)
    collections = {name: Collection(name, Traffic(name), detectors, sample_size=RECORDS) for name in names}
    store = Store.open(url)
    quiet = [Window(names[0], world.START + i * HOUR, world.START + (i + 1) * HOUR) for i in range(QUIET)]
    baseline = pack(take_baseline(collections[names[0]], quiet).baseline)
    for name in names:
        keep_baseline(store, name, baseline, quiet)
    now = [world.START + QUIET * HOUR]
    deployment = Deployment(config, collections, dict.fromkeys(names, 30.0))
    daemon = Daemon(deployment, store, clock=lambda: now[0], workers=2)

    def advance() -> None:
        now[0] += HOUR

    return daemon, advance


def _resident() -> float:
    """Return this process' resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _scrape(url: str, seconds: list[float], ended: threading.Event) -> None:
    with httpx.Client(timeout=30) as client:
        while not ended.wait(0.25):
            began = time.monotonic()
            client.get(url).raise_for_status()
            seconds.append(time.monotonic() - began)


if __name__ == "__main__":
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    main("torture-soak", run)
