"""driftmon.yaml: read, expanded and checked before anything is built from it."""

from __future__ import annotations

from monitor.config.collection import CollectionConfig, SegmentsConfig
from monitor.config.durations import parse_duration
from monitor.config.expansion import Expansion, expand
from monitor.config.loading import Loaded, anchor, load_config, parse_config, read_config
from monitor.config.models import (
    Config,
    LogConfig,
    MetricsConfig,
    RetentionConfig,
    TracingConfig,
    WebConfig,
)
from monitor.config.notify import DeliveryConfig, LinksConfig, NotifyConfig

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
