"""What the chart renders, run as real processes: it migrates, becomes ready, is scraped, reloads and drains."""

from __future__ import annotations

import shutil
import signal
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.demo.example import write_example
from tests.deploy.conftest import CHART, RELEASE, Manifest, helm, of_kind, only
from tests.deploy.kubelet import Node, Running

pytestmark = [pytest.mark.helm, pytest.mark.e2e]

COLLECTION: dict[str, Any] = {
    "window": "1h",
    "lateness": "0s",
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
    "index": {"type": "memory", "path": "/data/index.npz"},
    "suite": "/data/suite.jsonl",
}
VALUES: dict[str, Any] = {
    "store": {"postgresql": {"existingSecret": "driftmon-database"}},
    "secrets": {"rag-log": {"secretName": "rag-database"}},
    "networkPolicy": {"enabled": False},
    "config": {"collections": {"support-docs": COLLECTION}},
    "extraVolumes": [{"name": "rag", "persistentVolumeClaim": {"claimName": "rag", "readOnly": True}}],
    "extraVolumeMounts": [{"name": "rag", "mountPath": "/data", "readOnly": True}],
}
UNITS = {"Mi": 1 << 20, "Gi": 1 << 30}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that other users can enter, as pytest's own cannot be."""
    path = Path(tempfile.mkdtemp(prefix="driftmon-pod-")).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def example(folder: Path) -> Path:
    """Three days of a log, an index and a suite."""
    path = folder / "example"
    write_example(path, datetime.now(UTC) + timedelta(hours=1))
    return path


def rendered(folder: Path, values: dict[str, Any]) -> tuple[Manifest, ...]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    result = helm("template", RELEASE, str(CHART), "-f", str(file))
    assert result.returncode == 0, result.stderr
    return tuple(each for each in yaml.safe_load_all(result.stdout) if each)


def config_maps(manifests: tuple[Manifest, ...]) -> dict[str, dict[str, str]]:
    return {m["metadata"]["name"]: m["data"] for m in of_kind(manifests, "ConfigMap")}


@dataclass
class Proxy:
    """A TCP port before the server's socket, which lies where only its owner and root may go."""

    path: str
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __post_init__(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.path)
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def fill(database: str, example: Path) -> None:
    """Copy the example's log into PostgreSQL."""
    import psycopg

    with closing(sqlite3.connect(example / "log.db")) as log:
        rows = log.execute("SELECT id, created_at, query, embedding, results FROM retrieval_log").fetchall()
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE retrieval_log "
            "(id text PRIMARY KEY, created_at timestamptz, query text, embedding bytea, results text)"
        )
        with cursor.copy("COPY retrieval_log FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["text", "timestamptz", "text", "bytea", "text"])
            for id_, at, *rest in rows:
                copy.write_row((id_, datetime.fromisoformat(at), *rest))


def caught_up(running: Running) -> int:
    (row,) = running.get("/api/v1/status").json()["collections"]
    windows = row["windows"]
    return int(windows["done"]) if not windows["planned"] + windows["running"] else 0


@pytest.mark.postgres
def test_two_replicas_migrate_watch_reload_and_drain(
    folder: Path, example: Path, postgres_database: str
) -> None:
    from sqlalchemy.engine import make_url

    manifests = rendered(folder, VALUES)
    deployment = only(manifests, "Deployment")
    pod = deployment["spec"]["template"]
    (migration,), (container,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    database = make_url(postgres_database)
    fill(database.set(drivername="postgresql").render_as_string(hide_password=False), example)

    with ExitStack() as ending:
        proxy = Proxy(f"{database.query['host']}/.s.PGSQL.5432")
        ending.callback(proxy.close)
        url = f"postgresql+psycopg://postgres:no-secret@{proxy.address}/{database.database}"
        secrets = {"driftmon-database": {"url": url}, "rag-database": {"url": url}}
        nodes = [
            Node(folder / f"node{n}", pod, config_maps(manifests), secrets, {"rag": example})
            for n in range(deployment["spec"]["replicas"])
        ]
        for node in nodes:
            migrated = node.run(migration)
            assert migrated.returncode == 0, migrated.stderr
        assert "up to date" in migrated.stdout
        built = nodes[0].run(container, *["driftmon", "baseline", "build", "--start", "-2d", "--end", "-8h"])
        assert built.returncode == 0, built.stderr

        replicas = []
        for node in nodes:
            replicas.append(node.start(container))
            ending.callback(replicas[-1].close)
        for replica in replicas:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                replica.wait(probe, lambda probe=probe, replica=replica: replica.probe(probe))
        replicas[0].wait("the backlog", lambda: any(caught_up(replica) for replica in replicas))

        (smoke,) = only(manifests, "Pod")["spec"]["containers"]
        test_pod = Node(folder / "smoke", only(manifests, "Pod"), {}, {})
        for replica in replicas:
            asked = test_pod.run(smoke, DRIFTMON_URL=replica.url)
            assert (asked.returncode, asked.stdout) == (0, "ready, and its metrics are there\n"), asked.stderr

        if nodes[0].limits:
            _look_at_limits(replicas, pod, folder)
        changed = (
            config_maps(manifests)[deployment["metadata"]["name"]]["driftmon.yaml"] + "\nbudget: {per: 30d}\n"
        )
        for node in nodes:
            node.write_config({"driftmon.yaml": changed})
        for replica in replicas:
            replica.wait("the reload", lambda replica=replica: replica.events("configuration reloaded"))
            peak = int(replica.facts()["VmHWM"].split()[0]) * 1024
            limit = container["resources"]["limits"]["memory"]
            assert peak < int(limit[:-2]) * UNITS[limit[-2:]]

        for replica in replicas:
            code, seconds = replica.end(signal.SIGTERM)
            assert (code, seconds < pod["spec"]["terminationGracePeriodSeconds"]) == (0, True)
            assert replica.events("stopped")[-1]["drained"]
    worked = [event["window"] for replica in replicas for event in replica.events("window done")]
    assert len(worked) == len(set(worked)) >= 7
    for replica in replicas:
        assert not [line for line in replica.lines if "no-secret" in line or "Traceback" in line]
        assert not replica.events("window failed") + replica.events("tick failed")


def _look_at_limits(replicas: list[Running], pod: Manifest, folder: Path) -> None:
    """The processes have the user of the pod, no capability and a root that they cannot write to."""
    for replica in replicas:
        facts = replica.facts()
        assert set(facts["Uid"].split()) == {str(pod["spec"]["securityContext"]["runAsUser"])}
        assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
        assert facts["NoNewPrivs"] == "1"
        mounts = Path(f"/proc/{replica.process.pid}/mountinfo").read_text().splitlines()
        (options,) = {line.split()[5] for line in mounts if line.split()[4] == "/"}
        assert "ro" in options.split(",")


def test_a_pod_on_sqlite_starts_and_ends(folder: Path, example: Path) -> None:
    values = VALUES | {"store": {"type": "sqlite"}}
    manifests = rendered(folder, values)
    pod = only(manifests, "Deployment")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    data = folder / "log"
    data.mkdir()
    for file in example.iterdir():
        shutil.copy(file, data)
    secrets = {"rag-database": {"url": f"sqlite:///{data}/log.db"}}
    node = Node(folder / "sqlite", pod, config_maps(manifests), secrets, {"rag": data})
    with ExitStack() as ending:
        running = node.start(container)
        ending.callback(running.close)
        running.wait("readiness", lambda: running.probe("readinessProbe"))
        assert running.end(signal.SIGTERM)[0] == 0
    assert (folder / "sqlite/volumes/data/driftmon.db").exists()
