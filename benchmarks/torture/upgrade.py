"""Upgrade and roll back for real: the release before and this one over one database, pods replaced in mid-work."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.torture.releases import PREVIOUS, Pods, Release, unpack
from benchmarks.torture.report import figure, main
from benchmarks.torture.servers import postgresql
from benchmarks.torture.worked import Differences, Worked, differences, read_worked
from deploy.helm.kustomize import find_helm
from monitor.demo.example import write_example
from monitor.store import Store
from monitor.store.engine import reading
from tests.core_fakes.receiver import Receiver, receiving
from tests.deploy.cluster import rendered
from tests.deploy.conftest import Manifest
from tests.deploy.kubelet import Node

HOUR = timedelta(hours=1)
WINDOWS = 24
"""Windows of a collection: the log's last day, of which the second half drifts. What is before is the baseline."""
BASELINE = 47 * HOUR
REPLICAS = 2
GROUPS = 7
"""One before the first release is replaced, and one before each replacement of a pod."""
SHORT = 0.1
"""Below this scale only the rolling upgrade is tried."""
GRACE = 40.0
"""Seconds after which a kubelet kills (terminationGracePeriodSeconds of the chart)."""
TROUBLE = ("window failed", "window failed unexpectedly", "window lost", "tick failed")
KINDS = ("with-index", "log-alone")
"""The two kinds of collection: one with index and suite, and without spans, and one with the log alone and spans."""
SHARE = """
import os, sys
from sqlalchemy import create_engine, insert, select
from monitor.store.models import BaselineRow
table = BaselineRow.__table__
url, *names = sys.argv[1:]
with create_engine(os.environ["BASELINES"]).connect() as connection:
    built = {row["collection"]: dict(row) for row in connection.execute(select(table)).mappings()}
with create_engine(url).begin() as connection:
    for name in names:
        row = built[name[:-4] + "-000"] | {"collection": name}
        connection.execute(insert(table).values({key: row[key] for key in row if key != "id"}))
"""
"""Gives collections the baseline of their kind: they are watched from then on, so that there is always work to do."""
SQLITE = "sqlite:////var/lib/driftmon/driftmon.db"


class NoHelmError(Exception):
    """Helm is not installed: deploy/get_helm.sh puts it into build/bin."""


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return the figures of a rolling upgrade and rollback of two replicas, and of one pod on SQLite."""
    if find_helm() is None:
        raise NoHelmError("helm is not installed: deploy/get_helm.sh puts it into build/bin")
    each = max(1, round(8 * scale))
    with _folder() as folder, receiving() as receiver:
        scene = Scene(folder, receiver)
        wanted = {release: scene.undisturbed(release, each) for release in ("N-1", "N")}
        with postgresql() as server:
            rolled = Play(scene, server.create("upgrade"), each, wanted, "postgresql")
            figures = rolled.roll(forward_again=scale >= 1.0)
        if scale >= SHORT:
            figures += Play(scene, None, each, wanted, "sqlite").recreate()
    return figures


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="driftmon-upgrade-")).resolve()
    folder.chmod(0o755)  # pods have a user of their own
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Scene:
    """What both releases find: a log, an index, a suite, and a receiver that this release tells of incidents."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.folder, self.receiver = folder, receiver
        self.baselines = ""
        self.code = unpack(PREVIOUS, folder / "previous")
        self.data = folder / "data"
        now = datetime.now(UTC)
        self.end = now.replace(minute=0, second=0, microsecond=0)
        # For half an hour no further window becomes due: nothing depends on how long all this takes.
        self.lateness = max(timedelta(0), now - self.end - HOUR / 2)
        write_example(self.data, now)
        with closing(sqlite3.connect(self.data / "log.db")) as log, log:
            since = (self.end - WINDOWS // 2 * HOUR).isoformat()
            (vector,) = log.execute("SELECT embedding FROM retrieval_log LIMIT 1").fetchone()
            log.execute("UPDATE retrieval_log SET embedding = ? WHERE created_at >= ?", (vector, since))
            log.execute("CREATE INDEX by_time ON retrieval_log (created_at)")

    @property
    def begin(self) -> datetime:
        """Where the baseline ends and the work begins."""
        return self.end - WINDOWS * HOUR

    def release(self, name: str, names: Sequence[str], store: dict[str, Any]) -> Release:
        """Return a release as the chart installs it; this one has keys that the one before does not know."""
        config: dict[str, Any] = {"collections": {each: self._collection(each) for each in names}}
        if name == "N":
            config |= {
                "notify": [{"type": "webhook", "url": self.receiver.url, "allow_private": ["localhost"]}],
                "metrics": {"max_series": 50_000},
            }
        values = {
            "store": store,
            "secrets": {"rag-log": {"secretName": "rag-database"}},
            "networkPolicy": {"enabled": False},
            "config": {"log": {"format": "json"}, **config},
            "extraVolumes": [
                {"name": "rag", "persistentVolumeClaim": {"claimName": "rag", "readOnly": True}}
            ],
            "extraVolumeMounts": [{"name": "rag", "mountPath": "/data", "readOnly": True}],
        }
        return Release(name, None if name == "N" else self.code, rendered(self.folder, values))

    def _collection(self, name: str) -> dict[str, Any]:
        common = {
            "window": "1h",
            "lateness": f"{self.lateness.total_seconds():.0f}s",
            "sample_size": 200,
            "source": {
                "type": "sql",
                "url_file": "/run/secrets/driftmon/rag-log/url",
                "table": "retrieval_log",
                "columns": {
                    "id": "id",
                    "at": "created_at",
                    "text": "query",
                    "vector": "embedding",
                    "hits": "results",
                },
                "vector_dtype": "float16",
            },
        }
        if name.startswith(KINDS[1]):
            return common
        return {
            **common,
            "spans": [],
            "index": {"type": "memory", "path": "/data/index.npz"},
            "suite": "/data/suite.jsonl",
        }

    def pods(self, name: str, url: str | None) -> Pods:
        """Return the place of pods whose database is at ``url``, or is a file on a claim."""
        secrets = {"rag-database": {"url": f"sqlite:///{self.data}/log.db"}}
        claims = {"rag": self.data}
        if url is not None:
            secrets["driftmon-database"] = {"url": url}
        else:
            claims["data"] = self.folder / f"{name}-claim"
            claims["data"].mkdir()
            claims["data"].chmod(0o777)
        place = self.folder / name
        place.mkdir()
        return Pods(place, secrets, claims)

    def undisturbed(self, release: str, each: int) -> dict[str, Worked]:
        """Return what one pod of a release makes of every kind of collection when nothing happens to it."""
        play = Play(self, None, each, {}, f"undisturbed-{release}")
        try:
            play.begin(release)
            play.take_up([f"{kind}-000" for kind in KINDS])
            play.pods.start(play.releases[release])
            play.wait()
            play.pods.stop(play.pods.serving[0])
            return {name[:-4]: worked for name, worked in play.worked().items()}
        finally:
            play.pods.close()


@dataclass
class Play:
    """Collections that are watched by the pods of one database while releases change."""

    scene: Scene
    url: str | None
    each: int
    wanted: dict[str, dict[str, Worked]]
    name: str
    taken_up: list[str] = field(default_factory=list)
    releases: dict[str, Release] = field(init=False)
    pods: Pods = field(init=False)
    _node: Node = field(init=False)
    _container: Manifest = field(init=False)
    _groups: Iterator[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        names = [[f"{kind}-{i:03}" for kind in KINDS for i in _group(n, self.each)] for n in range(GROUPS)]
        every = [name for group in names for name in group]
        self._groups = iter(names)
        store: dict[str, Any] = {"postgresql": {"existingSecret": "driftmon-database"}}
        if self.url is None:
            store = {"type": "sqlite"}
        self.releases = {name: self.scene.release(name, every, store) for name in ("N-1", "N")}
        self.pods = self.scene.pods(self.name, self.url)

    @property
    def database(self) -> str:
        """Where the store is, for whoever is no pod."""
        return self.url or f"sqlite:///{self.pods.claims['data']}/driftmon.db"

    def begin(self, release: str) -> None:
        """Lay down the schema of a release; the first of all plays has it build a baseline of each kind as well."""
        chosen = self.releases[release]
        self._node, self._container = self.pods.node(chosen), chosen.container
        self._command("driftmon", "db", "upgrade")
        if self.scene.baselines:
            return
        span = ["--start", (self.scene.begin - BASELINE).isoformat(), "--end", self.scene.begin.isoformat()]
        for kind in KINDS:
            self._command("driftmon", "baseline", "build", f"{kind}-000", *span)
        built = self.scene.folder / "baselines.db"
        with closing(sqlite3.connect(self.database.removeprefix("sqlite:///"))) as own:
            own.execute("VACUUM INTO ?", (str(built),))
        self.scene.baselines = f"sqlite:///file:{built}?immutable=1&uri=true"
        self.taken_up = [f"{kind}-000" for kind in KINDS]

    def take_up(self, names: Sequence[str]) -> None:
        """Give more collections their baselines: from now on they have a day of windows to be worked."""
        new = [name for name in names if name not in self.taken_up]
        if new:
            self._command("python", "-c", SHARE, self.url or SQLITE, *new)
        self.taken_up += new
        self.pods.reread()

    def next(self) -> None:
        """Take up the next group."""
        self.take_up(next(self._groups))

    def _command(self, *words: str) -> None:
        done = self._node.run(self._container, *words, BASELINES=self.scene.baselines)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words[:3])} ended with {done.returncode}: {done.stderr[-2000:]}")

    def wait(self, seconds: float = 1200.0) -> None:
        """Wait until every window of what was taken up is done."""
        wanted, deadline = WINDOWS * len(self.taken_up), time.monotonic() + seconds
        while (done := self._count("SELECT count(*) FROM windows WHERE state = 'done'")) < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{done} of {wanted} windows after {seconds:g} s")
            time.sleep(0.5)

    def worked(self) -> dict[str, Worked]:
        """Return what every collection that was taken up has come to."""
        return read_worked(self.database, self.taken_up, self.scene.end)

    def _count(self, query: str) -> int:
        with closing(Store.open(self.database)) as store, reading(store.engine) as connection:
            return int(connection.execute(text(query)).scalar() or 0)

    def roll(self, *, forward_again: bool) -> list[dict[str, Any]]:
        """Upgrade two replicas and take them back; with ``forward_again`` upgrade once more."""
        old, new = self.releases["N-1"], self.releases["N"]
        rolls = [new, old, new] if forward_again else [new, old]
        try:
            self.begin("N-1")
            self.next()
            for _ in range(REPLICAS):
                self.pods.start(old)
            with self.pods.watched():
                for release in rolls:
                    self.pods.roll(release, [self.next] * REPLICAS)
                self.wait()
                if forward_again:
                    self._wait_until_told()
            for pod in list(self.pods.serving):
                self.pods.stop(pod)
            found = self._figures(
                f"PostgreSQL, {REPLICAS} replicas, {' -> '.join(['N-1', *(r.name for r in rolls)])}"
            )
            found.append(figure("… time without any ready replica", self.pods.unready, "s", 0))
        finally:
            self.pods.close()
        return found

    def recreate(self) -> list[dict[str, Any]]:
        """Upgrade one pod by Recreate, and take it back."""
        old, new = self.releases["N-1"], self.releases["N"]
        try:
            self.begin("N-1")
            self.next()
            self.pods.start(old)
            gaps = [self.pods.recreate(release, self.next) for release in (new, old)]
            self.wait()
            self.pods.stop(self.pods.serving[0])
            found = self._figures("SQLite, one pod, N-1 -> N -> N-1")
            found.append(figure("… longest time without a ready pod (Recreate)", max(gaps), "s"))
        finally:
            self.pods.close()
        return found

    def _wait_until_told(self) -> None:
        deadline = time.monotonic() + 60
        pending = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND dead_at IS NULL"
        while self._count(pending) and time.monotonic() < deadline:
            time.sleep(0.5)

    def _figures(self, what: str) -> list[dict[str, Any]]:
        worked = self.worked()
        release_of = {pod.worker: pod.release for pod in self.pods.every}
        found = sum(
            (
                differences(each, {r: w[name[:-4]] for r, w in self.wanted.items()}, release_of, WINDOWS)
                for name, each in worked.items()
            ),
            Differences(),
        )
        events = [(e["collection"], e["window"]) for e in self.pods.events("window done")]
        shares = Counter(
            release_of[w]
            for each in worked.values()
            for w, state, _ in each.windows.values()
            if state == "done"
        )
        told = [call.headers["Idempotency-Key"] for call in self.scene.receiver.taken]
        self.scene.receiver.calls.clear()
        facts = "FROM outbox WHERE kind = 'opened' AND notifier IS NULL AND fact_id IS NULL"
        twice = self._count(f"SELECT count(*) {facts}") - self._count(
            f"SELECT count(DISTINCT incident_id) {facts}"
        )
        trouble = [e for n in TROUBLE for e in self.pods.events(n)]
        return [
            figure(f"{what}: windows", WINDOWS * len(worked), "windows"),
            figure("… of them worked by N-1", shares["N-1"], "windows"),
            figure("… of them worked by N", shares["N"], "windows"),
            figure("… lost", found.lost, "windows", 0),
            figure("… doubled, or worked twice", found.double + len(events) - len(set(events)), "windows", 0),
            figure("… whose readings differ from an undisturbed run", found.readings, "windows", 0),
            figure("… streams that both releases sum up alike", found.compared, "streams"),
            figure("… of them with other evidence", found.streams, "streams", 0),
            figure("… incidents that differ", found.incidents, "incidents", 0),
            figure("… incidents", sum(len(w.incidents) for w in worked.values()), "incidents"),
            figure("… told twice", twice + len(told) - len(set(told)), "messages", 0),
            figure("… messages that a receiver took of N", len(told), "messages"),
            figure(
                "… windows failed, tracebacks, ends with a code other than 0",
                len(trouble) + sum(map(bool, self.pods.codes)),
                "times",
                0,
            ),
            figure("… longest time from SIGTERM to the end", self.pods.longest_end, "s", GRACE),
        ]


def _group(number: int, each: int) -> range:
    return range(number * each, (number + 1) * each)


if __name__ == "__main__":
    main("torture-upgrade", run)
