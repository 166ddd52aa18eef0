"""The models of how people are told: hooks, delivery, links."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from monitor.config.durations import Duration
from monitor.config.strict import NAME, Strict


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
        if value is not None and not NAME.fullmatch(value):
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


class DeliveryConfig(Strict):
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


class LinksConfig(Strict):
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
