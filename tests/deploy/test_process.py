"""What the chart renders, run as real processes: it migrates, becomes ready, is scraped, reloads and drains."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.demo.example import write_example
from tests.deploy.cluster import Proxy, config_maps, fill, rendered
from tests.deploy.conftest import Manifest, only
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
