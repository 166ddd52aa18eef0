"""What a configuration takes from outside itself: ``${NAME}`` from the environment, secrets from files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_WORDS = ("PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "URL", "DSN", "DATABASE", "AUTH")
_SHORT = 6
"""A shorter value is no secret: replacing every "db" or "5432" in a log would only make it unreadable."""
FROM_FILES = ("database", "url", "routing_key", "bearer", "hmac_key", "password")
"""Keys that may be written as ``KEY_file``: the path of a file whose first line is the value."""


@dataclass
class Expansion:
    """Replaces variables and secret files, and remembers what it took: files to watch, values to keep quiet."""

    environment: Mapping[str, str]
    base: Path = field(default_factory=Path)
    files: set[Path] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set, repr=False)

    def expand(self, value: Any, path: str = "") -> Any:
        """Return ``value`` with everything replaced, recursively; raises `ConfigError` with the dotted path."""
        if isinstance(value, dict):
            return dict(self._expand_item(k, v, value, f"{path}.{k}".lstrip(".")) for k, v in value.items())
        if isinstance(value, list):
            return [self.expand(v, f"{path}.{i}") for i, v in enumerate(value)]
        if isinstance(value, str):
            return _VARIABLE.sub(lambda match: self._look_up(match[1], path), value)
        return value

    def _expand_item(self, key: Any, value: Any, siblings: Mapping[Any, Any], path: str) -> tuple[Any, Any]:
        stem = key.removesuffix("_file") if isinstance(key, str) else key
        if stem == key or stem not in FROM_FILES:
            return key, self.expand(value, path)
        if stem in siblings:
            raise ConfigError(f"{path}: stands beside {stem}; keep one of the two")
        return stem, self._read(Path(str(self.expand(value, path))), path)

    def _look_up(self, name: str, path: str) -> str:
        """Return a variable's value, or the content of the file that ``NAME_FILE`` names."""
        if name in self.environment:
            found = self.environment[name]
            if len(found) >= _SHORT and any(word in name.upper() for word in _SECRET_WORDS):
                self.secrets.add(found)
            return found
        if f"{name}_FILE" in self.environment:
            # Its value is not told: whoever mistook it for NAME has put the secret itself there.
            return self._read(
                Path(self.environment[f"{name}_FILE"]), path, f"the file that {name}_FILE names"
            )
        raise ConfigError(
            f"{path}: the environment has no {name}; export it before you start driftmon, "
            f"or {name}_FILE with the path of a file that holds it"
        )

    def _read(self, file: Path, path: str, shown: str = "") -> str:
        file = self.base / file
        shown = shown or str(file)
        self.files.add(file)
        try:
            content = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise ConfigError(
                f"{path}: {shown} cannot be read ({reason}); mount the secret there, readable for this user"
            ) from None
        if not content:
            raise ConfigError(f"{path}: {shown} is empty; write the value into it")
        if "\n" in content:
            raise ConfigError(f"{path}: {shown} has more than one line; a secret is one line")
        if len(content) >= _SHORT:
            self.secrets.add(content)
        return content


def expand(value: Any, environment: Mapping[str, str], path: str = "") -> Any:
    """Return ``value`` with every ``${NAME}`` replaced, recursively; raises `ConfigError`."""
    return Expansion(environment).expand(value, path)
