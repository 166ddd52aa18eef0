"""The one-machine stack: every file it mounts is there, every image pinned, every configuration accepted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from deploy.compose.rag import HOUR, Log, Service, create_app, suite
from monitor.config import load_config
from monitor.demo.material import Material, load_material
from tests.deploy.conftest import ROOT

FOLDER = ROOT / "deploy"
STACK: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = STACK["services"]


@pytest.fixture(scope="module")
def material() -> Material:
    return load_material()


def mounts() -> list[tuple[str, str, str]]:
    """Service, source and target of everything that is mounted from the repository."""
    return [
        (name, *volume.split(":")[:2])
        for name, service in SERVICES.items()
        for volume in service.get("volumes", ())
        if volume.startswith(".")
    ]


def test_every_mounted_file_exists_and_is_read_only() -> None:
    assert len(mounts()) >= 10
    for name, source, _ in mounts():
        assert (FOLDER / source).exists(), f"{name}: {source}"
    assert all(
        v.endswith(":ro") for s in SERVICES.values() for v in s.get("volumes", ()) if v.startswith(".")
    )
    named = {
        v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", ()) if not v.startswith(".")
    }
    assert named == set(STACK["volumes"])


def test_every_image_is_pinned() -> None:
    for name, service in SERVICES.items():
        tag = service["image"].rpartition("/")[2].partition(":")[2]
        assert re.search(r"\d+\.\d+", tag), name
        if "build" in service:
            build = service["build"]
            assert (FOLDER / build["context"] / build["dockerfile"]).exists()
            assert f" AS {build['target']}\n" in (ROOT / build["dockerfile"]).read_text()


def test_services_wait_for_services_that_there_are_and_show_themselves_to_this_machine_only() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")
    ours = [service for service in SERVICES.values() if "build" in service]
    assert len(ours) == 4
    for service in ours:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_the_daemons_configuration_is_valid() -> None:
    config = load_config(
        FOLDER / "compose/driftmon.yaml", {"DATABASE_URL": "postgresql+psycopg://u:p@postgres/d"}
    )
    host, port = config.web.address
    assert (host, port) == ("0.0.0.0", 9464)  # noqa: S104 in a container
    targets = {mount[2] for mount in mounts() if mount[0] == "driftmon"}
    assert {"/etc/driftmon/driftmon.yaml", "/etc/driftmon/suite.jsonl"} == targets


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    source = FOLDER / "compose/prometheus.yaml"
    text = source.read_text()
    for _, file, target in mounts():  # as they lie in the container
        text = text.replace(target, str((FOLDER / file).resolve()))
    (tmp_path / "prometheus.yaml").write_text(text)
    result = subprocess.run(
        [promtool, "check", "config", str(tmp_path / "prometheus.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "rules found" in result.stdout


def test_alertmanager_takes_its_configuration() -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool (Debian package prometheus-alertmanager) is not installed")
    file = str(FOLDER / "alertmanager/alertmanager.yaml")
    subprocess.run([amtool, "check-config", file], check=True, capture_output=True)


def test_grafana_finds_datasource_and_dashboards() -> None:
    (source,) = yaml.safe_load((FOLDER / "compose/grafana/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    service, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
    assert service in SERVICES
    assert any(each.endswith(f":{port}") for each in SERVICES[service]["ports"])
    (provider,) = yaml.safe_load((FOLDER / "compose/grafana/dashboards/driftmon.yaml").read_text())[
        "providers"
    ]
    (folder,) = (s for _, s, target in mounts() if target == provider["options"]["path"])
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (FOLDER / folder / home.name).exists()


def test_the_suite_is_what_the_service_makes(material: Material) -> None:
    lines = (FOLDER / "compose/suite.jsonl").read_text().splitlines()
    assert lines == list(suite(material))


def test_a_push_moves_the_live_model_and_not_the_reference(material: Material) -> None:
    service = Service(material)
    client = TestClient(create_app(service))
    assert client.get("/healthy").status_code == 503

    def embed(model: str) -> list[float]:
        asked = {"model": model, "input": [material.questions[3]]}
        answer = client.post("/v1/embeddings", json=asked).json()
        return list(answer["data"][0]["embedding"])

    before = embed("live")
    assert before == embed("reference")
    service.push("tuned")
    assert before == embed("reference") != embed("live")
    unknown = client.post("/v1/embeddings", json={"model": "other", "input": ["text"]})
    assert unknown.status_code == 400
    strange = client.post("/v1/embeddings", json={"model": "live", "input": ["never seen"]})
    assert len(strange.json()["data"]) == 1


@pytest.mark.postgres
def test_the_service_fills_its_tables(material: Material, postgres_database: str) -> None:
    import psycopg

    url = postgres_database.replace("+psycopg", "")
    now = datetime(2026, 3, 3, 12, 30, tzinfo=UTC)
    log = Log(Service(material), url, per_hour=500.0)
    coming = list(islice(log.fill(2 * HOUR, now), 20))
    assert now < coming[0].at < now + timedelta(minutes=5)
    with psycopg.connect(url) as connection:
        counted = connection.execute(
            "SELECT count(*), min(created_at), max(created_at) FROM retrieval_log"
        ).fetchone()
        assert counted is not None
        assert 600 < counted[0] < 3000
        assert now - 3 * HOUR <= counted[1] < counted[2] <= now
        (documents,) = connection.execute("SELECT count(*) FROM chunks").fetchone() or (0,)
        (results,) = connection.execute("SELECT results FROM retrieval_log LIMIT 1").fetchone() or (None,)
    assert documents == len(material.ids)
    assert len(json.loads(results) if isinstance(results, str) else results) == 10
