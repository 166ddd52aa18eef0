"""The models of a collection and its segments."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from monitor.config.durations import Duration
from monitor.config.strict import Strict
from monitor.segments import MOST_SEGMENTS, is_safe


class SegmentsConfig(Strict):
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


class CollectionConfig(Strict):
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
