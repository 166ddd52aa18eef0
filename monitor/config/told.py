"""What people and pipelines tell driftmon of the monitored service, and how that is checked."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from monitor.config.durations import Duration
from monitor.errors import ConfigError
from monitor.records import Event, EventKind

LONGEST_GRACE = timedelta(days=30)
AHEAD = timedelta(days=90)
"""A change that is announced longer before is a slip of the pen."""
_Line = Annotated[str, Field(max_length=200)]


class EventsConfig(BaseModel):
    """What a planned change brings with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grace: Duration = Field(
        default=timedelta(hours=2),
        description="How long after a planned change its drift pages nobody, where the event does not say.",
    )

    @field_validator("grace")
    @classmethod
    def _bounded(cls, value: timedelta) -> timedelta:
        return _bounded(value)


class EventRequest(BaseModel):
    """One event as it is sent: by `POST /v1/events` and by `driftmon event add`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: EventKind
    title: _Line = Field(min_length=1)
    collection: str = Field(default="", max_length=192)
    at: AwareDatetime | None = None
    key: str = Field(default="", max_length=200)
    planned: bool = False
    grace: Duration | None = None
    url: str = Field(default="", max_length=500)

    @field_validator("title", "key", "url")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("is one line of printable characters")
        return value.strip()

    @field_validator("title")
    @classmethod
    def _said(cls, value: str) -> str:
        if not value:
            raise ValueError("is empty; say in some words what was done")
        return value

    @field_validator("url")
    @classmethod
    def _web(cls, value: str) -> str:
        # It becomes a link on a page: nothing that a browser would run.
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("is an https:// or http:// address")
        return value

    @field_validator("grace")
    @classmethod
    def _grace(cls, value: timedelta | None) -> timedelta | None:
        return None if value is None else _bounded(value)


def _bounded(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= LONGEST_GRACE:
        raise ValueError(f"is above 0 and at most {LONGEST_GRACE.days}d, such as 2h")
    return value


def read_event(
    body: bytes | Mapping[str, Any], *, now: datetime, by: str, grace: timedelta, collections: Collection[str]
) -> Event:
    """Return the event that a request tells of; raises `ConfigError` that names the field and the mend.

    ``grace`` stands where a planned event says nothing; ``collections`` are the names that may be given.
    """
    try:
        asked = _read(body)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    at = asked.at or now
    if asked.collection and asked.collection not in collections:
        raise ConfigError(
            f"event.collection: {asked.collection!r} is not watched; leave it out for all, or name one of "
            f"{', '.join(sorted(collections)[:20])}"
        )
    if not datetime(1970, 1, 1, tzinfo=at.tzinfo) <= at <= now + AHEAD:
        raise ConfigError(
            f"event.at: {at.isoformat()} is not between 1970 and {AHEAD.days} days from now; leave it out for now"
        )
    if asked.grace is not None and not asked.planned:
        raise ConfigError("event.grace: only a planned change has one; add planned: true, or leave grace out")
    until = at + (asked.grace or grace) if asked.planned else None
    return Event(
        key=asked.key or _key(asked),
        at=at,
        kind=asked.kind,
        title=asked.title,
        collection=asked.collection,
        planned=asked.planned,
        grace_until=until,
        url=asked.url,
        recorded_by=by,
    )


def _read(body: bytes | Mapping[str, Any]) -> EventRequest:
    return (
        EventRequest.model_validate_json(body)
        if isinstance(body, bytes)
        else EventRequest.model_validate(body)
    )


def _key(asked: EventRequest) -> str:
    """Return a key for an event that came without: the same for the same words at the same time."""
    if asked.at is None:
        return f"{asked.kind}-{uuid.uuid4().hex}"
    said = json.dumps([asked.kind, asked.title, asked.collection, asked.at.timestamp()])
    return f"{asked.kind}-{hashlib.sha256(said.encode()).hexdigest()[:32]}"


def _explain(error: ValidationError) -> str:
    said = []
    for problem in error.errors(include_url=False, include_input=False)[:5]:
        where = ".".join(("event", *(str(part) for part in problem["loc"])))
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown; known are {', '.join(sorted(EventRequest.model_fields))}"
        elif problem["type"] == "json_invalid":
            message = "the body is no JSON object"
        elif problem["type"] in {"timezone_aware", "datetime_from_date_parsing"}:
            message = "a time with its zone, such as 2026-03-01T12:00:00Z"
        said.append(f"{where}: {message}")
    return "; ".join(said)
