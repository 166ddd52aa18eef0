"""What the chart renders, by a real Helm, for every value set in its folder ci/."""

from __future__ import annotations

import json
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.helm.build import CHART, RULES, generated
from monitor.config import Expansion, parse_config
from monitor.daemon.daemon import DRAIN, RELEASE
from monitor.web.server import STOP_TIMEOUT
from tests.deploy.conftest import (
    NAMESPACE,
    ROOT,
    SETS,
    Manifest,
    containers,
    helm,
    of_kind,
    only,
    pods,
    render,
    settings_of,
    values_file,
)

pytestmark = pytest.mark.helm

VERSIONS = ("1.31", "1.34", "1.37")


def test_generated_files_are_up_to_date() -> None:
    for name, content in generated().items():
        assert (CHART / name).read_text(encoding="utf-8") == content, f"{name}: python -m deploy.helm.build"
    dashboards = {path.name for path in (CHART / "files/dashboards").iterdir()}
    assert dashboards == {path.name for path in (ROOT / "grafana/dashboards").iterdir()}


def test_there_are_a_dozen_value_sets_and_lint_finds_nothing() -> None:
    assert len(SETS) >= 12
    for name in ("postgresql", "sqlite"):
        result = helm("lint", "--strict", str(CHART), "-f", str(values_file(name)))
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(rendered: tuple[Manifest, ...], version: str) -> None:
    for each in rendered:
        if not each["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(each, version, strict=True)
        assert each["metadata"]["namespace"] == NAMESPACE
        assert len(each["metadata"]["name"]) <= 63


def test_a_wrong_manifest_is_seen() -> None:
    """The validator itself: it must be able to fail."""
    wrong = json.loads(json.dumps(only(render("postgresql"), "Deployment")))
    wrong["spec"]["template"]["spec"]["containers"][0]["comand"] = ["driftmon"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_daemon_reads_what_is_mounted(rendered: tuple[Manifest, ...], tmp_path: Any) -> None:
    text = yaml.safe_dump(settings_of(rendered)).replace("/run/secrets", f"{tmp_path}/secrets")
    written = yaml.safe_load(text)
    for file in _secret_files(written):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("postgresql+psycopg://watch:secret@db/driftmon")
    config = parse_config(Expansion({}).expand(written), tmp_path / "driftmon.yaml")
    assert config.web.address == ("0.0.0.0", _port(rendered))  # noqa: S104 in a pod
    assert config.log.format == "json"


def _secret_files(written: Any) -> list[Any]:
    from pathlib import Path

    if isinstance(written, dict):
        own = [Path(v) for k, v in written.items() if k in {"database_file", "url_file"}]
        return own + [file for v in written.values() for file in _secret_files(v)]
    return []


def _port(manifests: tuple[Manifest, ...]) -> int:
    (container,) = only(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    return int(container["ports"][0]["containerPort"])


def test_every_mounted_volume_is_there_and_every_file_of_the_settings_mounted(
    rendered: tuple[Manifest, ...],
) -> None:
    for name, pod in pods(rendered):
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        for container in containers(pod):
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert set(mounts) <= volumes, name
            assert len(set(mounts.values())) == len(mounts), name
    (container,) = only(rendered, "Deployment")["spec"]["template"]["spec"]["containers"]
    folders = [mount["mountPath"] for mount in container["volumeMounts"]]
    settings = settings_of(rendered)
    files = [str(file) for file in _secret_files(settings)]
    files += [v for k, v in settings["web"].items() if k.endswith("_file")]
    for file in files:
        assert any(file.startswith(f"{folder}/") for folder in folders), file


def test_selectors_find_the_daemon_and_nothing_else(rendered: tuple[Manifest, ...]) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(rendered)}
    daemon = only(rendered, "Deployment")
    selectors = [daemon["spec"]["selector"]["matchLabels"], only(rendered, "Service")["spec"]["selector"]]
    selectors += [
        each["spec"]["selector"]["matchLabels"]
        for kind in ("PodDisruptionBudget", "PodMonitor")
        for each in of_kind(rendered, kind)
    ]
    for selector in selectors:
        found = [name for name, own in labels.items() if selector.items() <= own.items()]
        assert found == [f"Deployment/{daemon['metadata']['name']}"]
    for monitor in of_kind(rendered, "ServiceMonitor"):
        own = only(rendered, "Service")["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= own.items()
    for policy in of_kind(rendered, "NetworkPolicy"):
        selector = policy["spec"]["podSelector"]["matchLabels"]
        assert all(selector.items() <= own.items() for own in labels.values())


def test_postgresql_has_two_replicas_that_move_one_at_a_time() -> None:
    manifests = render("postgresql")
    spec = only(manifests, "Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert only(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    keys = [each["topologyKey"] for each in spec["template"]["spec"]["topologySpreadConstraints"]]
    assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    (migration,) = spec["template"]["spec"]["initContainers"]
    assert migration["command"] == ["driftmon", "db", "upgrade"]
    assert not of_kind(manifests, "PersistentVolumeClaim")


def test_sqlite_is_one_pod_with_a_volume_that_stays() -> None:
    manifests = render("sqlite")
    spec = only(manifests, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert "initContainers" not in spec["template"]["spec"]
    assert "topologySpreadConstraints" not in spec["template"]["spec"]
    assert not of_kind(manifests, "PodDisruptionBudget")
    claim = only(manifests, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    volumes = {volume["name"]: volume for volume in spec["template"]["spec"]["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert settings_of(manifests)["database"] == "sqlite:////var/lib/driftmon/driftmon.db"
    assert not of_kind(render("sqlite-existing"), "PersistentVolumeClaim")


def test_what_is_switched_off_stays_off() -> None:
    collection = settings_of(render("sqlite-existing"))["collections"]["support-docs"]
    assert collection["detectors"] == {"score_psi": {"enabled": False}}
    assert collection["canaries"] is False


def test_a_migration_job_is_the_only_migrator() -> None:
    manifests = render("migration-job")
    commands = [c["command"] for _, pod in pods(manifests) for c in containers(pod)]
    assert commands.count(["driftmon", "db", "upgrade"]) == 1
    job = only(manifests, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # A hook runs before anything else of the release is there: it may only need what is a hook as well.
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "default"
    (own,) = (v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v)
    (config,) = (m for m in of_kind(manifests, "ConfigMap") if m["metadata"]["name"] == own)
    assert int(config["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0
    assert yaml.safe_load(config["data"]["driftmon.yaml"]) == {
        "database_file": "/run/secrets/driftmon-database/url"
    }


def test_the_grace_is_longer_than_the_drain(rendered: tuple[Manifest, ...]) -> None:
    grace = only(rendered, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= DRAIN + RELEASE + STOP_TIMEOUT + 2


def test_probes_ask_what_the_daemon_answers() -> None:
    for name, scheme in (("postgresql", "HTTP"), ("tls", "HTTPS")):
        (container,) = only(render(name), "Deployment")["spec"]["template"]["spec"]["containers"]
        asked = {
            probe: container[probe]["httpGet"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert {get["scheme"] for get in asked.values()} == {scheme}
        paths = [get["path"] for get in asked.values()]
        assert paths == ["/-/healthy", "/-/healthy", "/-/ready"]


def _environment(name: str) -> dict[str, Manifest]:
    (container,) = only(render(name), "Deployment")["spec"]["template"]["spec"]["containers"]
    variables = [variable["name"] for variable in container["env"]]
    assert len(set(variables)) == len(variables)
    return {variable["name"]: variable for variable in container["env"]}


def test_blas_threads_and_workers_share_the_cpu_limit() -> None:
    assert _environment("postgresql")["OMP_NUM_THREADS"]["value"] == "1"  # a window per CPU
    alone = _environment("image-st")["OMP_NUM_THREADS"]  # one window at a time has the whole limit
    assert alone["valueFrom"]["resourceFieldRef"] == {"resource": "limits.cpu", "divisor": "1"}
    assert _environment("single-replica")["OPENBLAS_NUM_THREADS"]["value"] == "2"
    assert settings_of(render("no-cpu-limit"))["workers"] == 2  # 1500m
    assert "workers" not in settings_of(render("postgresql"))


def test_a_changed_configuration_rolls_the_pods_only_where_asked() -> None:
    def checksum(name: str, *settings: str) -> Any:
        template = only(render(name, *settings), "Deployment")["spec"]["template"]
        return template["metadata"]["annotations"].get("checksum/config")

    assert checksum("postgresql") is None
    changed = checksum("extra", "config.budget.false_pages=3")
    assert None is not changed != checksum("extra")


def test_images_by_variant_tag_and_digest() -> None:
    def image(name: str) -> str:
        (found,) = {c["image"] for _, pod in pods(render(name)) for c in containers(pod)}
        return str(found)

    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert image("postgresql") == f"driftmon:{version}-slim"
    assert image("image-st") == "registry.example.com/platform/driftmon:0.1.0-st"
    assert image("image-digest").startswith("registry.example.com/platform/driftmon@sha256:0123")


def test_the_chart_and_the_package_have_one_version() -> None:
    from monitor import __version__

    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__


def test_egress_is_what_was_declared_and_names() -> None:
    policy = only(render("postgresql"), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    ports = [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
    assert ports == [[9464], [53, 53], [5432]]
    assert all(rule.get("to") for rule in policy["egress"])
    assert [len(rule["from"]) for rule in policy["ingress"]] == [1]
    (rule,) = only(render("monitoring"), "NetworkPolicy")["spec"]["ingress"]
    assert rule["from"][1]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "monitoring"
    }
    assert not of_kind(render("network-policy-off"), "NetworkPolicy")


def test_alerts_and_dashboards_are_those_of_the_repository() -> None:
    manifests = render("monitoring")
    rule = only(manifests, "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    source = RULES.read_text(encoding="utf-8").replace(
        "docs/runbooks/", "https://docs.example.com/driftmon/runbooks/"
    )
    assert rule["spec"] == yaml.safe_load(source)["spec"]
    boards = [m for m in of_kind(manifests, "ConfigMap") if "grafana_dashboard" in m["metadata"]["labels"]]
    shipped = {
        path.name: json.loads(path.read_text()) for path in (ROOT / "grafana/dashboards").glob("*.json")
    }
    assert {name: json.loads(text) for m in boards for name, text in m["data"].items()} == shipped
    for board in boards:
        assert len(json.dumps(board)) < 1 << 20  # what etcd takes


def test_without_the_operators_resources_none_is_rendered() -> None:
    assert not [m for m in render("postgresql") if m["apiVersion"].startswith("monitoring.coreos.com/")]


def test_monitors_bring_token_and_certificate() -> None:
    (endpoint,) = only(render("tls"), "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["authorization"]["credentials"] == {"name": "driftmon-token", "key": "token"}
    (endpoint,) = only(render("podmonitor"), "PodMonitor")["spec"]["podMetricsEndpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "driftmon-token", "key": "bearer"}
    assert "scheme" not in endpoint


def test_the_notes_tell_the_next_step() -> None:
    def notes(name: str) -> str:
        values = str(values_file(name))
        result = helm("install", "w", str(CHART), "-n", NAMESPACE, "-f", values, "--dry-run=client")
        assert result.returncode == 0, result.stderr
        return result.stdout.partition("NOTES:")[2]

    told = notes("postgresql")
    assert "baseline build support-docs --start -8d --end -1d" in told
    assert "Nothing scrapes it yet" in told
    assert "networkPolicy.ingressFrom is empty" in notes("tls")
