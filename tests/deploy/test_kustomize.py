"""The kustomize base is the chart's, and the example overlay is what a cluster takes."""

from __future__ import annotations

import os
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

from deploy.helm.kustomize import FOLDER, find_helm, generated
from tests.deploy.conftest import ROOT, Manifest, of_kind, only, pods
from tests.deploy.policy import violations

pytestmark = pytest.mark.helm


@pytest.fixture(scope="module")
def overlay() -> tuple[Manifest, ...]:
    kubectl = shutil.which(
        "kubectl", path=os.pathsep.join([os.environ.get("PATH", ""), str(ROOT / "build/bin")])
    )
    if kubectl is None:
        pytest.skip("kubectl is not installed: deploy/get_helm.sh puts it into build/bin")
    result = subprocess.run(
        [kubectl, "kustomize", str(FOLDER / "example")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return tuple(yaml.safe_load_all(result.stdout))


def test_base_and_component_are_what_the_chart_renders() -> None:
    helm = find_helm()
    if helm is None:
        pytest.skip("helm is not installed: deploy/get_helm.sh puts it into build/bin")
    files = generated(helm)
    for name, content in files.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, (
            f"{name}: python -m deploy.helm.kustomize"
        )
    found = {f"{part}/{path.name}" for part in ("base", "monitoring") for path in (FOLDER / part).iterdir()}
    assert found == set(files)


def test_the_example_is_valid_and_restricted(overlay: tuple[Manifest, ...]) -> None:
    for each in overlay:
        if not each["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(each, "1.34", strict=True)
        assert each["metadata"]["namespace"] == "search"
    for name, pod in pods(overlay):
        assert not list(violations(pod)), name


def test_the_example_brings_its_own_configuration_and_image(overlay: tuple[Manifest, ...]) -> None:
    spec = only(overlay, "Deployment")["spec"]["template"]["spec"]
    (name,) = (v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v)
    (config,) = (m for m in of_kind(overlay, "ConfigMap") if m["metadata"]["name"] == name)
    settings = yaml.safe_load(config["data"]["driftmon.yaml"])
    assert list(settings["collections"]) == ["support-docs"]
    images = {c["image"] for c in spec["containers"] + spec["initContainers"]}
    assert images == {"registry.example.com/platform/driftmon:0.1.0-slim"}
    assert len(only(overlay, "NetworkPolicy")["spec"]["egress"]) == 4
