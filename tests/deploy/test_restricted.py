"""The restricted Pod Security Standard and what a platform's policies ask beyond it, for every pod of every set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.conftest import Manifest, containers, of_kind, pods, render

pytestmark = pytest.mark.helm

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""The types that the restricted standard allows."""


def violations(pod: Manifest) -> Iterator[str]:
    """What a policy would say of a pod."""
    spec = pod["spec"]
    own = spec.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
        if spec.get(name):
            yield name
    if own.get("runAsNonRoot") is not True:
        yield "runAsNonRoot"
    if own.get("runAsUser", 10_000) < 10_000:
        yield "runAsUser"
    if own.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "seccompProfile"
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken"
    for volume in spec["volumes"]:
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']}"
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"volume {volume['name']}: sizeLimit"
    for container in containers(pod):
        yield from (f"{container['name']}: {what}" for what in _container_violations(container))


def _container_violations(container: Manifest) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem"
    if context.get("privileged"):
        yield "privileged"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "capabilities"
    if any(key in context for key in ("runAsUser", "runAsNonRoot", "seccompProfile")):
        yield "overrides the pod's context"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        if "memory" not in resources.get(kind, {}):
            yield f"{kind}.memory"
    if "cpu" not in resources.get("requests", {}):
        yield "requests.cpu"
    tag = container["image"].rpartition("/")[2].partition(":")[2]
    if tag in {"", "latest"}:
        yield "image without a version"
    if "/tmp" not in {mount["mountPath"] for mount in container["volumeMounts"]}:  # noqa: S108 a mount
        yield "no /tmp to write to"


def test_every_pod_is_restricted(rendered: tuple[Manifest, ...]) -> None:
    assert len(list(pods(rendered))) >= 2
    for name, pod in pods(rendered):
        assert not list(violations(pod)), name


def test_the_default_user_is_numeric_and_the_platform_may_choose_another() -> None:
    users = {pod["spec"]["securityContext"].get("runAsUser") for _, pod in pods(render("postgresql"))}
    assert users == {65532}
    for _, pod in pods(render("openshift")):
        assert set(pod["spec"]["securityContext"]) == {
            "runAsNonRoot",
            "seccompProfile",
            "fsGroupChangePolicy",
        }


def test_a_loosened_pod_is_seen() -> None:
    """The rules themselves: they must be able to fail."""
    loose = render(
        "postgresql", "securityContext.readOnlyRootFilesystem=false", "podSecurityContext.runAsUser=0"
    )
    found = {what for _, pod in pods(loose) for what in violations(pod)}
    assert {"runAsUser", "driftmon: readOnlyRootFilesystem", "migrate: readOnlyRootFilesystem"} <= found


def test_nobody_gets_a_token_or_a_right() -> None:
    for account in of_kind(render("postgresql"), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    kinds = {manifest["kind"] for manifest in render("monitoring")}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_no_secret_is_made_or_put_into_a_variable(rendered: tuple[Manifest, ...]) -> None:
    assert not of_kind(rendered, "Secret")
    for name, pod in pods(rendered):
        for container in containers(pod):
            ours = [v for v in container.get("env", ()) if v["name"] != "EMBEDDER_KEY"]  # extraEnv of one set
            assert not [v for v in ours if "secretKeyRef" in v.get("valueFrom", {})], name
        for volume in pod["spec"]["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440, name
