"""Every pod of every value set is held to the policy."""

from __future__ import annotations

import pytest

from tests.deploy.conftest import Manifest, containers, of_kind, pods, render
from tests.deploy.policy import violations

pytestmark = pytest.mark.helm


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
