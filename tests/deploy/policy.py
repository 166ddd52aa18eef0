"""The restricted Pod Security Standard and what a platform's policies ask beyond it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.deploy.conftest import Manifest, containers

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
