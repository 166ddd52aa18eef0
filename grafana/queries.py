"""Queries, whichever replica answers them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef("prometheus", "${datasource}")


def select(metric: str, **labels: str) -> str:
    """Return the selector of a metric; a label comes with its operator: ``detector='=~"$detector"'``."""
    matchers = ", ".join(f"{name}{matcher}" for name, matcher in labels.items())
    return f"{metric}{{{matchers}}}" if matchers else metric


def over(metric: str, pick: str = "max", **labels: str) -> str:
    """Return a metric as one series for all replicas."""
    return f"{pick} without (instance, pod) ({select(metric, **labels)})"


def of(metric: str, **labels: str) -> str:
    """Return the selector of a metric on the chosen collection, whichever replica exports it."""
    return over(metric, collection='="$collection"', **labels)


def of_each(metric: str, **labels: str) -> str:
    """Return the selector of a metric on each of the chosen collections."""
    return over(metric, collection='=~"$collection"', **labels)


def query(expr: str, legend: str = "__auto") -> prometheus.Dataquery:
    """Return a query over time."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).range()


def now(expr: str, legend: str = "__auto") -> prometheus.Dataquery:
    """Return a query for the present value."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).instant()
