"""What the tests of the chart share: a real Helm, and every value set rendered once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.helm.kustomize import find_helm

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "driftmon"
SETS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
RELEASE, NAMESPACE = "watch", "search"
Manifest = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    binary = find_helm()
    if binary is None:
        pytest.skip("helm is not installed: deploy/get_helm.sh puts it into build/bin")
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False, timeout=120)


def values_file(name: str) -> Path:
    return CHART / "ci" / f"{name}-values.yaml"


@cache
def render(name: str, *settings: str) -> tuple[Manifest, ...]:
    """Every manifest of a value set, the hooks included."""
    options = [option for setting in settings for option in ("--set", setting)]
    result = helm(
        "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "-f", str(values_file(name)), *options
    )
    assert result.returncode == 0, result.stderr
    return tuple(each for each in yaml.safe_load_all(result.stdout) if each)


def of_kind(manifests: tuple[Manifest, ...], kind: str, component: str | None = None) -> list[Manifest]:
    return [
        each
        for each in manifests
        if each["kind"] == kind
        and component in (None, each["metadata"]["labels"].get("app.kubernetes.io/component"))
    ]


def only(manifests: tuple[Manifest, ...], kind: str, component: str | None = None) -> Manifest:
    (found,) = of_kind(manifests, kind, component)
    return found


def pods(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest]]:
    """Name and pod (metadata and spec) of everything that starts one."""
    for each in manifests:
        if each["kind"] in {"Deployment", "Job"}:
            yield f"{each['kind']}/{each['metadata']['name']}", each["spec"]["template"]
        elif each["kind"] == "Pod":
            yield f"Pod/{each['metadata']['name']}", each


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def settings_of(manifests: tuple[Manifest, ...]) -> Manifest:
    """The driftmon.yaml that a value set leads to."""
    deployment = only(manifests, "Deployment")
    (maps,) = (
        v["configMap"]["name"]
        for v in deployment["spec"]["template"]["spec"]["volumes"]
        if v["name"] == "config"
    )
    (data,) = (m["data"] for m in of_kind(manifests, "ConfigMap") if m["metadata"]["name"] == maps)
    settings: Manifest = yaml.safe_load(data["driftmon.yaml"])
    return settings


@pytest.fixture(params=SETS)
def rendered(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return render(request.param)


Refusal = Callable[..., str]


@pytest.fixture
def refusal(tmp_path: Path) -> Refusal:
    """What Helm says of values over a set that it must not render."""

    def refuse(values: Any, name: str = "postgresql") -> str:
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(values))
        result = helm("template", RELEASE, str(CHART), "-f", str(values_file(name)), "-f", str(path))
        assert result.returncode != 0, "it was rendered"
        return result.stderr

    return refuse
