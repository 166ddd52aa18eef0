"""What the chart refuses, and that it says why."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from deploy.helm.schema import values_schema
from tests.deploy.conftest import CHART, Refusal, helm

pytestmark = pytest.mark.helm

UNKNOWN = "additional properties '{}' not allowed"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replicaCount": 2}, UNKNOWN.format("replicaCount")),
        ({"image": {"name": "x"}}, UNKNOWN.format("name")),
        ({"image": {"variant": "gpu"}}, "/image/variant"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"store": {"type": "mysql"}}, "/store/type"),
        ({"store": {"postgresql": {"password": "x"}}}, UNKNOWN.format("password")),
        ({"config": {"database": "sqlite:///x.db"}}, UNKNOWN.format("database")),
        ({"config": {"web": {"listen": "0.0.0.0:1"}}}, UNKNOWN.format("web")),
        ({"config": {"collections": {"support-docs": {"windw": "15m"}}}}, UNKNOWN.format("windw")),
        ({"config": {"collections": {"support-docs": {"window": 15}}}}, "support-docs/window"),
        ({"config": {"collections": {"support-docs": {"window": "PT15M"}}}}, "support-docs/window"),
        ({"config": {"log": {"format": "xml"}}}, "/config/log/format"),
        ({"secrets": {"Rag_Log": {"secretName": "x"}}}, "Rag_Log"),
        ({"secrets": {"rag": {}}}, "secretName"),
        ({"resources": {"limits": {"gpu": 1}}}, "gpu"),
        ({"web": {"port": 80}}, "/web/port"),
        ({"terminationGracePeriodSeconds": 5}, "/terminationGracePeriodSeconds"),
        ({"probes": {"liveness": {"httpGet": {}}}}, UNKNOWN.format("httpGet")),
        ({"migration": {"type": "none"}}, "/migration/type"),
        ({"networkPolicy": {"allowAll": True}}, UNKNOWN.format("allowAll")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_schema_refuses(refusal: Refusal, values: Any, told: str) -> None:
    assert told in refusal(values)


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("sqlite", {"replicas": 2}, "replicas is above 1 on store.type sqlite"),
        ("sqlite", {"migration": {"type": "job"}}, "migration.type is job on store.type sqlite"),
        ("postgresql", {"store": {"postgresql": {"existingSecret": ""}}}, "existingSecret is empty"),
        ("postgresql", {"networkPolicy": {"egress": []}}, "networkPolicy.egress is empty"),
        (
            "podmonitor",
            {"monitoring": {"serviceMonitor": {"enabled": True}}},
            "every pod would be scraped twice",
        ),
        ("postgresql", {"files": {"driftmon.yaml": "x"}}, "which is made from config"),
        ("postgresql", {"extraEnv": [{"name": "OMP_NUM_THREADS", "value": "4"}]}, "use blasThreads"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_install_and_not_work_is_refused(
    refusal: Refusal, name: str, values: Any, told: str
) -> None:
    assert told in refusal(values, name)


def test_nothing_to_watch_is_refused() -> None:
    result = helm(
        "template", "watch", str(CHART), "--set", "store.postgresql.existingSecret=driftmon-database"
    )
    assert result.returncode != 0
    assert "config.collections is empty: name at least one collection" in result.stderr


def test_the_schema_knows_every_default_and_no_object_of_ours_is_open() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(defaults) == set(values_schema()["properties"]) - {"global"}
    closed_like(defaults, values_schema(), "")


def closed_like(defaults: Any, schema: Any, path: str) -> None:
    """An object whose keys we name takes no others; every key it takes has a default to read about."""
    if "properties" not in schema or path == ".config":
        return
    assert schema["additionalProperties"] is False, path
    expected = copy.copy(schema["properties"])
    expected.pop("global", None)
    assert set(expected) == set(defaults), path
    for key, inner in expected.items():
        closed_like(defaults[key], inner, f"{path}.{key}")
