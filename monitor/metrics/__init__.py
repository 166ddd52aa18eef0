"""The Prometheus face of driftmon: which metrics there are, and the exporter that fills them."""

from __future__ import annotations

from monitor.metrics.exporter import Exporter
from monitor.metrics.names import METRICS, MetricInfo, catalogue

__all__ = ["METRICS", "Exporter", "MetricInfo", "catalogue"]
