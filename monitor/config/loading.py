"""From a file to a checked configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr, ValidationError

from monitor.config.expansion import Expansion
from monitor.config.explanation import explain, explain_yaml
from monitor.config.models import Config, WebConfig
from monitor.errors import ConfigError

_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)(.+)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the files it was made from, and the values that must be shown nowhere."""

    config: Config
    files: frozenset[Path]
    secrets: frozenset[str] = field(repr=False)


def read_config(path: Path, environment: Mapping[str, str] = os.environ) -> Loaded:
    """Read, expand and check driftmon.yaml.

    Relative paths inside it are relative to the file. ``${NAME}`` takes a value from the environment, or from the
    file that ``NAME_FILE`` names; ``database_file`` and ``url_file`` stand for the first line of a file.

    Raises
    ------
    ConfigError
        With one line per problem: path in the file, what is wrong, the mend.
    """
    written = _read_yaml(path)
    expansion = Expansion(environment, path.parent)
    config = parse_config(expansion.expand(written), path, written=written)
    database = anchor(config.database.get_secret_value(), path.parent)
    config = config.model_copy(
        update={"database": SecretStr(database), "web": _anchor_files(config.web, path)}
    )
    suites = (path.parent / c.suite for c in config.collections.values() if c.suite is not None)
    return Loaded(config, frozenset({path, *expansion.files, *suites}), frozenset(expansion.secrets))


def _anchor_files(web: WebConfig, path: Path) -> WebConfig:
    """Return the section with its files taken from the folder of the configuration."""
    files = ("token_file", "certificate_file", "key_file")
    named = {name: path.parent / file for name in files if (file := getattr(web, name)) is not None}
    return web.model_copy(update=named)


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration of :func:`read_config` alone."""
    return read_config(path, environment).config


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
        lines = [f"{path}: {line}" for line in explain(error, data if written is None else written)]
        raise ConfigError("\n".join(lines)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; `driftmon init` writes one, or name yours with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 a safe loader, see below
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {explain_yaml(error)}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a mapping with `collections:`; `driftmon init` writes an example")
    return data


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that stands twice: the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} stands twice; keep one of the two", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
