"""The Prometheus Operator's resources, against models made from its published definitions (CRDs)."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tests.deploy.conftest import Manifest, render

pytestmark = pytest.mark.helm


@pytest.fixture(scope="module")
def models() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "cloudcoil.models.prometheus_operator.v1",
            reason="pip install cloudcoil-models-prometheus-operator",
        )


def unknown_or_wrong(models: Any, manifest: Manifest) -> bool:
    """Whether a definition does not know a key: the models drop what they do not know."""
    model = getattr(models, manifest["kind"]).model_validate(manifest)
    kept = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return bool(kept["spec"] != manifest["spec"])


def test_monitors_and_rules_are_as_their_definitions_want_them(models: Any) -> None:
    sets = [render(name) for name in ("monitoring", "podmonitor", "tls")]
    resources = [m for each in sets for m in each if m["apiVersion"] == "monitoring.coreos.com/v1"]
    assert {m["kind"] for m in resources} == {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    for resource in resources:
        assert not unknown_or_wrong(models, resource), resource["kind"]


def test_an_unknown_key_is_seen(models: Any) -> None:
    (monitor,) = (m for m in render("tls") if m["kind"] == "ServiceMonitor")
    wrong = {**monitor, "spec": {**monitor["spec"], "endpoint": []}}
    assert unknown_or_wrong(models, wrong)
