"""The models of driftmon.yaml: every key, its default and what it is for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from monitor.config.collection import CollectionConfig
from monitor.config.durations import Duration
from monitor.config.notify import DeliveryConfig, LinksConfig, NotifyConfig
from monitor.config.strict import NAME, Strict
from monitor.config.told import EventsConfig

_DATABASES = ("sqlite", "sqlite+pysqlite", "postgres", "postgresql", "postgresql+psycopg")


class BudgetConfig(Strict):
    """One false-alarm budget for the whole deployment."""

    false_pages: float = Field(default=1.0, gt=0, description="False pages tolerated in the period.")
    per: Duration = Field(default=timedelta(days=90), description="The period.")

    @field_validator("per")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be above 0")
        return value


class WebConfig(Strict):
    """Where /metrics, probes and the status page are served."""

    listen: str = Field(default="127.0.0.1:9464", description="host:port; 0.0.0.0:9464 in a container.")

    token_file: Path | None = Field(
        default=None,
        description="File with the bearer token that everything but the probes asks for; read again when it changes.",
    )
    certificate_file: Path | None = Field(
        default=None, description="PEM certificate chain: HTTPS; read again when it changes."
    )
    key_file: Path | None = Field(default=None, description="PEM private key of the certificate.")
    requests_per_second: float = Field(
        default=20.0, gt=0, description="Requests that one client address may make; probes are not counted."
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> WebConfig:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both or none")
        return self

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError("must be host:port, such as 127.0.0.1:9464")
        return value

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class MetricsConfig(Strict):
    """What /metrics may grow to."""

    max_series: int = Field(
        default=50_000,
        ge=1000,
        description="Series exported at most; beyond it the least important ones are left out and counted.",
    )


class LogConfig(Strict):
    """The daemon's own log; read when the daemon starts."""

    format: Literal["console", "json"] = Field(
        default="console", description="For people, or one JSON object per event and line."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important events that are logged."
    )


class TracingConfig(Strict):
    """OpenTelemetry traces of each window's walk, sent by OTLP over HTTP."""

    endpoint: str = Field(description="The collector, such as http://otel-collector:4318/v1/traces.")
    service_name: str = Field(default="driftmon", description="The name that traces are filed under.")
    sample_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of windows that are traced.")

    @field_validator("endpoint")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must be an http:// or https:// URL")
        return value


class RetentionConfig(Strict):
    """How long the monitor's own database keeps what; docs/decisions/0008-retention.md has the sizes."""

    windows: Duration = Field(
        default=timedelta(days=2),
        description="Windows at full resolution; as long as spans look back, at least.",
    )
    hourly: Duration = Field(default=timedelta(days=7), description="Windows rolled up to hours.")
    daily: Duration = Field(default=timedelta(days=400), description="Windows rolled up to days.")
    profiles: Duration = Field(
        default=timedelta(days=90), description="Mergeable profiles, at any resolution."
    )
    rejected: Duration = Field(default=timedelta(days=7), description="Examples of unusable log entries.")
    parked: Duration = Field(default=timedelta(days=30), description="Windows that failed on every attempt.")
    incidents: Duration = Field(
        default=timedelta(days=400), description="Resolved incidents, what was told of them, and events."
    )


class Config(Strict):
    """driftmon.yaml."""

    database: SecretStr = Field(
        default=SecretStr("sqlite:///driftmon.db"),
        description="SQLAlchemy URL; postgresql+psycopg://… in production.",
    )
    budget: BudgetConfig = Field(
        default=BudgetConfig(), description="How often the whole deployment may cry wolf."
    )
    web: WebConfig = Field(default=WebConfig(), description="The HTTP server.")
    metrics: MetricsConfig = Field(default=MetricsConfig(), description="The Prometheus metrics.")
    log: LogConfig = Field(default=LogConfig(), description="The daemon's own log.")
    retention: RetentionConfig = Field(
        default=RetentionConfig(), description="How long the database keeps what."
    )
    events: EventsConfig = Field(default=EventsConfig(), description="What planned changes bring with them.")
    tracing: TracingConfig | None = Field(default=None, description="OpenTelemetry traces; none if left out.")
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Windows worked at once; one per CPU of the quota if left out.",
    )
    collections: dict[str, CollectionConfig] = Field(
        default_factory=dict, description="What is watched, by name; at least one."
    )
    notify: list[NotifyConfig] = Field(
        default_factory=list,
        repr=False,
        description="On-call hooks; where there is one, exactly one pages for critical incidents.",
    )
    delivery: DeliveryConfig = Field(
        default_factory=DeliveryConfig, description="How long and how often people are told."
    )
    links: LinksConfig = Field(default_factory=LinksConfig, description="Where messages lead.")

    @field_validator("database")
    @classmethod
    def _known_engine(cls, value: SecretStr) -> SecretStr:
        engine, separator, _ = value.get_secret_value().partition(":")
        if not separator or engine not in _DATABASES:
            raise ValueError("must be sqlite:///driftmon.db or postgresql+psycopg://user:password@host/name")
        return value

    @field_validator("collections")
    @classmethod
    def _names(cls, value: dict[str, CollectionConfig]) -> dict[str, CollectionConfig]:
        if not value:
            raise ValueError("name at least one collection to watch")
        for name in value:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r}: a name has lower-case letters, digits, dot, dash, underscore; at most 63"
                )
        return value
