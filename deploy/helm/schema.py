"""The schema of the chart's values: our own keys, and `config:` from the models that the daemon reads it with."""

from __future__ import annotations

from typing import Any

from monitor.config import Config

Schema = dict[str, Any]

CHART_OWNS = ("database", "web")
"""Keys of driftmon.yaml that the chart writes."""
_NAME = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_DURATION = r"^\s*[0-9]+(\.[0-9]+)?\s*(s|m|h|d|w)\s*$"
_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"


def closed(**properties: Schema) -> Schema:
    """Return an object that takes these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def text(default: str = "", **more: Any) -> Schema:
    """Return a string."""
    return {"type": "string", "default": default, **more}


def choice(*values: str) -> Schema:
    """Return one of some words."""
    return {"enum": list(values)}


def count(least: int, most: int | None = None) -> Schema:
    """Return a whole number."""
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def mapping(values: Schema, names: str | None = None) -> Schema:
    """Return an object whose keys the user chooses."""
    return {"type": "object", "additionalProperties": values} | (
        {} if names is None else {"propertyNames": {"pattern": names}}
    )


FLAG: Schema = {"type": "boolean"}
WORDS = mapping({"type": "string"})
KUBERNETES: Schema = {"type": "object"}
"""What is passed on as it stands: Kubernetes itself checks it."""
KUBERNETES_LIST: Schema = {"type": "array", "items": KUBERNETES}
QUANTITY: Schema = {"type": ["string", "number"], "pattern": _QUANTITY}


def _probe() -> Schema:
    return closed(periodSeconds=count(1), timeoutSeconds=count(1), failureThreshold=count(1))


def _monitor() -> Schema:
    return closed(
        enabled=FLAG,
        labels=WORDS,
        interval=text(pattern="^[0-9]+(ms|s|m)$"),
        scrapeTimeout=text(pattern="^[0-9]+(ms|s|m)$"),
    )


def _quantities() -> Schema:
    return mapping(QUANTITY, "^(cpu|memory|ephemeral-storage)$")


def config_schema() -> tuple[Schema, Schema]:
    """Return the schema of `config:` and the definitions it refers to."""
    whole = _plain(Config.model_json_schema())
    definitions: Schema = whole.pop("definitions")
    for name in CHART_OWNS:
        del whole["properties"][name]
    del definitions["WebConfig"]
    # What the models' validators also take, which their types do not say.
    collection, segments = definitions["CollectionConfig"], definitions["SegmentsConfig"]
    one = {"$ref": "#/definitions/SegmentsConfig"}
    collection["properties"]["segments"] = {"anyOf": [one, {"type": "array", "items": one}]}
    scalar = {"type": ["string", "integer"]}
    segments["properties"]["values"] = {
        "anyOf": [{"type": "array", "items": scalar}, mapping(scalar), {"type": "null"}]
    }
    return whole, definitions


def _plain(node: Any) -> Any:
    """Return a model's schema as draft 7: durations as we write them, no formats, no titles."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "duration":
        return {"type": "string", "pattern": _DURATION, "description": node.get("description", "")}
    dropped = ("title", "format", "default", "writeOnly")
    kept = {k: v for k, v in node.items() if k not in dropped or isinstance(v, dict)}
    if "$ref" in kept:
        return {"$ref": kept["$ref"].replace("#/$defs/", "#/definitions/")}
    renamed = {"$defs": "definitions"}
    return {renamed.get(k, k): _plain(v) for k, v in kept.items()}


def values_schema() -> Schema:
    """Return the schema of values.yaml."""
    config, definitions = config_schema()
    values = closed(
        # Helm hands these down from a parent chart.
        **{"global": KUBERNETES},
        nameOverride=text(maxLength=50),
        fullnameOverride=text(maxLength=50),
        image=closed(
            repository=text(minLength=1),
            variant=choice("slim", "st"),
            tag=text(),
            digest=text(pattern="^(sha256:[0-9a-f]{64})?$"),
            pullPolicy=choice("Always", "IfNotPresent", "Never"),
        ),
        imagePullSecrets=KUBERNETES_LIST,
        store=closed(
            type=choice("postgresql", "sqlite"),
            postgresql=closed(existingSecret=text(), key=text(minLength=1)),
            sqlite=closed(
                existingClaim=text(),
                size=QUANTITY,
                storageClassName={"type": ["string", "null"]},
                accessModes={"type": "array", "minItems": 1, "items": {"type": "string"}},
            ),
        ),
        replicas={"type": ["integer", "null"], "minimum": 0},
        config=config,
        files=mapping({"type": "string"}, r"^[-._a-zA-Z0-9]+$"),
        secrets=mapping(closed(secretName=text(minLength=1)) | {"required": ["secretName"]}, _NAME),
        rollOnConfigChange=FLAG,
        web=closed(
            host=text(minLength=1),
            port=count(1024, 65535),
            requestsPerSecond={"type": "number", "exclusiveMinimum": 0},
            token=closed(existingSecret=text(), key=text(minLength=1)),
            tls=closed(existingSecret=text()),
        ),
        migration=closed(
            type=choice("initContainer", "job"),
            job=closed(activeDeadlineSeconds=count(1), backoffLimit=count(0)),
        ),
        resources=closed(requests=_quantities(), limits=_quantities()),
        blasThreads={"type": ["integer", "null"], "minimum": 1},
        extraEnv={"type": "array", "items": {"type": "object", "required": ["name"]}},
        extraEnvFrom=KUBERNETES_LIST,
        extraVolumes=KUBERNETES_LIST,
        extraVolumeMounts=KUBERNETES_LIST,
        terminationGracePeriodSeconds=count(30),
        probes=closed(startup=_probe(), liveness=_probe(), readiness=_probe()),
        serviceAccount=closed(create=FLAG, name=text(), annotations=WORDS),
        podDisruptionBudget=closed(
            enabled=FLAG, maxUnavailable={"type": ["integer", "string"], "pattern": "^[0-9]+%$"}
        ),
        topologySpread=closed(
            enabled=FLAG,
            keys={"type": "array", "items": {"type": "string"}},
            whenUnsatisfiable=choice("ScheduleAnyway", "DoNotSchedule"),
        ),
        networkPolicy=closed(
            enabled=FLAG,
            ingressFrom=KUBERNETES_LIST,
            dns=closed(enabled=FLAG, to=KUBERNETES_LIST),
            egress=KUBERNETES_LIST,
        ),
        monitoring=closed(
            serviceMonitor=_monitor(),
            podMonitor=_monitor(),
            prometheusRule=closed(enabled=FLAG, labels=WORDS, runbooks=text(minLength=1)),
            dashboards=closed(enabled=FLAG, labels=WORDS, annotations=WORDS),
        ),
        service=closed(annotations=WORDS),
        podAnnotations=WORDS,
        podLabels=WORDS,
        podSecurityContext=KUBERNETES,
        securityContext=KUBERNETES,
        nodeSelector=WORDS,
        tolerations=KUBERNETES_LIST,
        affinity=KUBERNETES,
        priorityClassName=text(),
        revisionHistoryLimit=count(0),
        tmpSizeLimit=QUANTITY,
    )
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the driftmon chart",
        "$comment": "Generated by `python -m deploy.helm.build`; change deploy/helm/schema.py, not this file.",
        **values,
        "definitions": definitions,
    }
