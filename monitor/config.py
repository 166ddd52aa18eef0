"""The models of driftmon.yaml: unknown keys and bad values are refused with their path, the value and the mend."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from monitor.errors import ConfigError

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|d|w)\s*")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_QUOTED = re.compile(r"'[^']{2,}'")
_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)(.+)")


def parse_duration(value: object) -> object:
    """Return ``15m``, ``90d`` and the like as a timedelta; a number without a unit could mean anything."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is not None:
            return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        pass
    raise ValueError("a duration is a number and a unit, such as 30s, 15m, 6h, 90d")


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


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


class LogConfig(_Model):
    """The daemon's own log."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


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
    sample_size: int = Field(
        default=1000, ge=30, le=100_000, description="Records of a window that are looked at."
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
    detectors: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options of single detectors, by name; `enabled: false` switches one off.",
    )

    @field_validator("window")
    @classmethod
    def _whole_seconds(cls, value: timedelta) -> timedelta:
        seconds = value.total_seconds()
        if seconds < 1 or seconds != int(seconds) or 86400 % int(seconds):
            raise ValueError("must divide a day into whole windows: 1m, 5m, 15m, 1h, 6h, 1d")
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
    budget: BudgetConfig = BudgetConfig()
    web: WebConfig = WebConfig()
    log: LogConfig = LogConfig()
    collections: dict[str, CollectionConfig] = Field(default_factory=dict)
    notify: list[dict[str, Any]] = Field(
        default_factory=list, repr=False, description="On-call hooks; none exist in this release."
    )

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


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read, expand and check driftmon.yaml.

    Relative paths inside it are relative to the file. ``${NAME}`` takes a value from the environment.

    Raises
    ------
    ConfigError
        With one line per problem: path in the file, what is wrong, the mend.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; `driftmon init` writes one, or name yours with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {_explain_yaml(error)}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a mapping with `collections:`; `driftmon init` writes an example")
    config = parse_config(expand(data, environment), path, written=data)
    database = anchor(config.database.get_secret_value(), path.parent)
    return config.model_copy(update={"database": SecretStr(database)})


def anchor(url: str, base: Path) -> str:
    """Return a URL with a relative SQLite file taken from ``base``, as every path of a configuration is."""
    match = _SQLITE_FILE.fullmatch(url)
    return url if match is None else f"{match[1]}{base / match[2]}"


def parse_config(data: Mapping[str, Any], path: Path, written: Mapping[str, Any] | None = None) -> Config:
    """Return the checked configuration of already expanded data; raises `ConfigError`.

    ``written`` is the data as it stands in the file: what is shown of it holds no secret of the environment.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = [f"{path}: {line}" for line in _explain(error, data if written is None else written)]
        raise ConfigError("\n".join(lines)) from None


def expand(value: Any, environment: Mapping[str, str], path: str = "") -> Any:
    """Return ``value`` with every ``${NAME}`` replaced from the environment, recursively."""
    if isinstance(value, dict):
        return {k: expand(v, environment, f"{path}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [expand(v, environment, f"{path}.{i}") for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ConfigError(
                f"{path}: the environment has no {match[1]}; export it before you start driftmon"
            )
        return environment[match[1]]

    return _VARIABLE.sub(replace, value)


def _explain_yaml(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, without the line itself: it may hold a password."""
    mark = getattr(error, "problem_mark", None)
    problem = _QUOTED.sub(
        "…", str(getattr(error, "problem", None) or getattr(error, "reason", "cannot be read"))
    )
    return problem if mark is None else f"{problem} in line {mark.line + 1}, column {mark.column + 1}"


def _explain(error: ValidationError, written: Any) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(p) for p in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _known_keys(problem["loc"])
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            lines.append(f"{where}: unknown key; {hint}")
            continue
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}{_show(_look_up(written, problem['loc']), where)}")
    return lines


def _look_up(written: Any, location: tuple[int | str, ...]) -> Any:
    for key in location:
        try:
            written = written[key]
        except (KeyError, IndexError, TypeError):
            return None
    return written


def _show(value: Any, where: str) -> str:
    secret = "database" in where or (isinstance(value, str) and "://" in value)
    return f" (it is {value!r})" if isinstance(value, str | int | float) and not secret else ""


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    if location[0] == "collections" and len(location) > 2:
        return sorted(CollectionConfig.model_fields)
    sections: dict[str, type[BaseModel]] = {"budget": BudgetConfig, "web": WebConfig, "log": LogConfig}
    section = sections.get(str(location[0])) if len(location) > 1 else None
    return sorted((section or Config).model_fields)
