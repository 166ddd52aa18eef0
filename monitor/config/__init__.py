"""driftmon.yaml: read, expanded and checked before anything is built from it."""

from __future__ import annotations

from monitor.config.durations import parse_duration
from monitor.config.expansion import Expansion, expand
from monitor.config.loading import Loaded, anchor, load_config, parse_config, read_config
from monitor.config.models import (
    CollectionConfig,
    Config,
    DeliveryConfig,
    LinksConfig,
    LogConfig,
    MetricsConfig,
    NotifyConfig,
    RetentionConfig,
    SegmentsConfig,
    TracingConfig,
    WebConfig,
)

__all__ = [
    "CollectionConfig",
    "Config",
    "DeliveryConfig",
    "Expansion",
    "LinksConfig",
    "Loaded",
    "LogConfig",
    "MetricsConfig",
    "NotifyConfig",
    "RetentionConfig",
    "SegmentsConfig",
    "TracingConfig",
    "WebConfig",
    "anchor",
    "expand",
    "load_config",
    "parse_config",
    "parse_duration",
    "read_config",
]
