"""The models of driftmon.yaml: every key, its default and what it is for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from monitor.config.durations import Duration
from monitor.segments import MOST_SEGMENTS, is_safe

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_DATABASES = ("sqlite", "sqlite+pysqlite", "postgres", "postgresql", "postgresql+psycopg")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BudgetConfig(_Model):
    """One false-alarm budget for the whole deployment."""

    false_pages: float = Field(default=1.0, gt=0, description="False pages tolerated in the period.")
    per: Duration = Field(default=timedelta(days=90), description="The period.")

    @field_validator("per")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be above 0")
        return value


class WebConfig(_Model):
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


class MetricsConfig(_Model):
    """What /metrics may grow to."""

    max_series: int = Field(
        default=50_000,
        ge=1000,
        description="Series exported at most; beyond it the least important ones are left out and counted.",
    )


class LogConfig(_Model):
    """The daemon's own log; read when the daemon starts."""

    format: Literal["console", "json"] = Field(
        default="console", description="For people, or one JSON object per event and line."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important events that are logged."
    )


class TracingConfig(_Model):
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


class RetentionConfig(_Model):
    """How long the monitor's own database keeps what; docs/decisions/0008-retention.md has the sizes."""

    windows: Duration = Field(default=timedelta(days=2), description="Windows at full resolution.")
    hourly: Duration = Field(default=timedelta(days=7), description="Windows rolled up to hours.")
    daily: Duration = Field(default=timedelta(days=400), description="Windows rolled up to days.")
    profiles: Duration = Field(
        default=timedelta(days=90), description="Mergeable profiles, at any resolution."
    )
    rejected: Duration = Field(default=timedelta(days=7), description="Examples of unusable log entries.")
    parked: Duration = Field(default=timedelta(days=30), description="Windows that failed on every attempt.")
    incidents: Duration = Field(
        default=timedelta(days=400), description="Resolved incidents and what was told of them."
    )


class NotifyConfig(BaseModel):
    """One on-call hook: what it is called, what it is told, whether it pages; and the fields of its type."""

    # The other keys are the notifier's own fields, and may be secrets: they are in no repr.
    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="The plug-in: webhook, pagerduty, slack, email, apprise.")
    name: str | None = Field(
        default=None, description="What it is called in metrics and commands; its type if left out."
    )
    severities: tuple[Literal["warning", "critical"], ...] | None = Field(
        default=None,
        min_length=1,
        description="What it is told of; both if left out, of a chat that cannot resolve only warning.",
    )
    collections: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Of which collections, their segments included; all if left out.",
    )
    pages: bool | None = Field(
        default=None,
        description="Whether it calls people at night; if left out, whether it is told of critical and is no chat.",
    )

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        if value is not None and not _NAME.fullmatch(value):
            raise ValueError("a name has lower-case letters, digits, dot, dash, underscore; at most 63")
        return value

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.type

    @property
    def options(self) -> dict[str, Any]:
        """The fields of its type."""
        return {"type": self.type, **(self.model_extra or {})}

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Leave the notifier's own fields out."""
        return [("type", self.type), ("name", self.name), ("severities", self.severities)]


class DeliveryConfig(_Model):
    """How long and how often people are told."""

    give_up_after: Duration = Field(
        default=timedelta(hours=24), description="How long an undelivered message is tried; at least 24h."
    )
    reopen_within: Duration = Field(
        default=timedelta(hours=1),
        description="An incident that opens again so soon, with the same cause, goes on under the same key.",
    )
    openings: int = Field(
        default=3,
        ge=2,
        le=100,
        description="From that many openings under one key in a day on, a resolution waits reopen_within.",
    )

    @field_validator("give_up_after")
    @classmethod
    def _long(cls, value: timedelta) -> timedelta:
        if not timedelta(hours=24) <= value <= timedelta(days=30):
            raise ValueError("must be from 24h to 30d: a receiver may be away for a night")
        return value

    @field_validator("reopen_within")
    @classmethod
    def _short(cls, value: timedelta) -> timedelta:
        if not timedelta(0) <= value <= timedelta(days=1):
            raise ValueError("must be from 0s to 24h")
        return value


class LinksConfig(_Model):
    """Where messages lead. {incident}, {collection} and {cause} are filled in."""

    runbook: str = Field(
        default="", description="Such as https://wiki.example.com/runbooks/DriftDetected#{cause}."
    )
    page: str = Field(
        default="", description="The status page, such as https://driftmon.example.com/incidents/{incident}."
    )

    @field_validator("runbook", "page")
    @classmethod
    def _web(cls, value: str) -> str:
        if value and (
            not value.startswith(("https://", "http://")) or not value.isprintable() or " " in value
        ):
            raise ValueError("must be an https:// or http:// address")
        return value


class SegmentsConfig(_Model):
    """How a collection is sliced by one label of its log; each slice is watched by itself."""

    by: str = Field(description="The label, as source.columns.segments names it.")
    values: dict[str, str] | None = Field(
        default=None, description="The label's values that are watched: a list, or {name to show: value}."
    )
    most: int | None = Field(
        default=None,
        ge=1,
        le=MOST_SEGMENTS,
        description="Instead of values: so many of the most frequent, frozen by `driftmon baseline build`.",
    )
    rest: bool = Field(default=False, description="Whether all other records are a segment as well.")

    @field_validator("by")
    @classmethod
    def _label(cls, value: str) -> str:
        if not is_safe(value):
            raise ValueError("a label has letters, digits, dot, dash, underscore and begins with no sign")
        return value

    @field_validator("values", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """Return name -> value; YAML's unquoted no, on and 07 are not what they look like."""
        if isinstance(value, list):
            for each in value:
                if not isinstance(each, str | int) or isinstance(each, bool):
                    raise ValueError(f"{each!r} is read by YAML as {type(each).__name__}; put it in quotes")
                if not is_safe(str(each)):
                    raise ValueError(
                        f"{each!r} cannot be shown as it is (letters, digits, dot, dash, underscore; at most 63); "
                        f"give it a name: {{some-name: {each!r}}}"
                    )
            names = [str(each) for each in value]
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{twice[0]!r} stands twice; keep one of the two")
            return {name: name for name in names}
        return value

    @model_validator(mode="after")
    def _one_way(self) -> SegmentsConfig:
        if (self.values is None) == (self.most is None):
            raise ValueError("give values (a list) or most (how many of the most frequent), one of the two")
        for name in self.values or ():
            if not is_safe(name):
                raise ValueError(
                    f"{name!r}: a segment's name has letters, digits, dot, dash, underscore; at most 63"
                )
        if self.values is not None and not self.values:
            raise ValueError("values is empty; name at least one, or take most: 10")
        given = list((self.values or {}).values())
        if twice := [value for value in given if given.count(value) > 1]:
            raise ValueError(f"{twice[0]!r} has two names; a record is in one segment of a label")
        return self

    @property
    def count(self) -> int:
        """How many segments there are at most."""
        return (self.most or len(self.values or ())) + self.rest


class CollectionConfig(_Model):
    """One retrieval surface to watch."""

    # Options of edges may hold passwords: they are in no repr.
    source: dict[str, Any] = Field(
        repr=False, description="Where logged queries are read from; `type` names the plug-in."
    )
    embedder: dict[str, Any] | None = Field(
        default=None, repr=False, description="The reference model that places logged texts."
    )
    live_embedder: dict[str, Any] | None = Field(
        default=None,
        repr=False,
        description="What production embeds queries with now (its endpoint); the embedder if left out.",
    )
    index: dict[str, Any] | None = Field(default=None, repr=False, description="The live vector index.")
    suite: Path | None = Field(
        default=None, description="JSONL of judged queries: id, text, relevant {doc id: grade}."
    )
    window: Duration = Field(
        default=timedelta(minutes=15), description="Length of a window; aligned to the epoch, UTC."
    )
    lateness: Duration = Field(
        default=timedelta(minutes=2), description="How long to wait for late log entries."
    )
    max_backfill: int = Field(default=96, ge=1, description="Windows made up after an outage, at most.")
    timeout: Duration = Field(
        default=timedelta(minutes=5),
        description="What one window may take in all; its edges have time-outs of their own, 20s by default.",
    )
    sample_size: int = Field(
        default=1000, ge=30, le=100_000, description="Records of a window that are looked at."
    )
    spans: list[Annotated[int, Field(ge=2, le=1000)]] = Field(
        default_factory=lambda: [4, 8, 32],
        max_length=8,
        description="Numbers of windows that are looked at together as well: small drift adds up there.",
    )
    corpus_sample: int = Field(
        default=2000, ge=200, le=100_000, description="Documents of the index that are looked at."
    )
    k: int = Field(default=10, ge=1, le=1000, description="Depth of an answer: recall@K.")
    metric: Literal["cosine", "dot", "l2"] = Field(default="cosine", description="How vectors are compared.")
    scores: Literal["similarity", "distance"] = Field(
        default="similarity",
        description="Whether a higher logged score means better (similarity) or worse (distance).",
    )
    canaries: bool = Field(default=True, description="Embed 64 fixed texts in every window and compare.")
    segments: tuple[SegmentsConfig, ...] = Field(
        default=(), description="Slices by a label of the log, each watched by itself; one, or a list."
    )
    detectors: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options of single detectors, by name; `enabled: false` switches one off.",
    )

    @field_validator("segments", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value

    @field_validator("segments")
    @classmethod
    def _few(cls, value: tuple[SegmentsConfig, ...]) -> tuple[SegmentsConfig, ...]:
        labels = [each.by for each in value]
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise ValueError(f"{twice[0]!r} is sliced by twice; keep one of the two")
        if (count := sum(each.count for each in value)) > MOST_SEGMENTS:
            raise ValueError(
                f"{count} segments; at most {MOST_SEGMENTS} in a collection, since all share one budget: "
                "name fewer values, and `rest: true` for the others"
            )
        return value

    @field_validator("window")
    @classmethod
    def _whole_seconds(cls, value: timedelta) -> timedelta:
        seconds = value.total_seconds()
        if seconds < 1 or seconds != int(seconds) or 86400 % int(seconds):
            raise ValueError("must divide a day into whole windows: 1m, 5m, 15m, 1h, 6h, 1d")
        return value

    @field_validator("spans")
    @classmethod
    def _distinct(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("names a number of windows twice")
        return value

    @field_validator("timeout")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= timedelta(hours=6):
            raise ValueError("must be from 1s to 6h")
        return value

    @field_validator("lateness")
    @classmethod
    def _not_negative(cls, value: timedelta) -> timedelta:
        if value < timedelta(0):
            raise ValueError("must not be negative")
        return value


class Config(_Model):
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
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r}: a name has lower-case letters, digits, dot, dash, underscore; at most 63"
                )
        return value
