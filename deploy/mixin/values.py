"""What a rule is: a recording rule, an alert, and how they look on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["critical", "warning", "none"]


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule: one series per deployment, whichever replica answers."""

    name: str
    expr: str

    def render(self, runbooks: str) -> dict[str, Any]:  # noqa: ARG002 an alert needs it
        """Return the rule as Prometheus reads it."""
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert and what an engineer is told: what is, what it means, where to read on.

    ``severity`` None takes the severity of the series. ``anchor`` is the place in the runbook that bears its name.
    """

    name: str
    expr: str
    severity: Severity | None
    summary: str
    description: str
    wait: str
    keep: str
    labels: dict[str, str] = field(default_factory=dict)
    anchor: str = ""

    def render(self, runbooks: str) -> dict[str, Any]:
        """Return the rule as Prometheus reads it; ``runbooks`` is the address of their folder."""
        severity = "{{ $labels.severity }}" if self.severity is None else self.severity
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.wait,
            "keep_firing_for": self.keep,
            "labels": {"severity": severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbooks}/{self.name}.md" + (f"#{self.anchor}" if self.anchor else ""),
            },
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in this order."""

    name: str
    rules: tuple[Record | Alert, ...]


def record(metric: str, labels: str, pick: Literal["max", "min"] = "max") -> Record:
    """Return the recording rule of a metric over all replicas, named by the labels that tell its series apart.

    One with a collection gets two labels more: ``family``, the collection without its segment, and ``segment``,
    which a whole collection has not. Alertmanager compares labels and cannot cut them.
    """
    expr = f"{pick} without (instance, pod) ({metric})"
    if labels.startswith("collection"):
        expr = f'label_replace({expr}, "family", "$1", "collection", "([^/]+).*")'
        expr = f'label_replace({expr}, "segment", "$1", "collection", "[^/]+/(.+)")'
    return Record(name_of(metric, labels, pick), expr)


def name_of(metric: str, labels: str, pick: str = "max") -> str:
    """Return what the recording rule of a metric is called: level, metric, operation."""
    return f"{labels}:{metric}:{pick}"
