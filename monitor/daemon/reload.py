"""Whether the files of a configuration have changed: edited in place, or swapped as a ConfigMap's are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

Print = tuple[int, int, int, int] | None


class FileWatch:
    """Remembers how files looked, and tells once when one looks otherwise.

    Links are followed: Kubernetes exchanges the folder that a mounted ConfigMap or Secret points to.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._seen = {file: _look(file) for file in files}

    def watch(self, files: Iterable[Path]) -> None:
        """Watch these files from now on; those that were watched already keep the look they had.

        They were read after that look, so that an edit in between is seen at the next call.
        """
        self._seen = {file: self._seen[file] if file in self._seen else _look(file) for file in files}

    def changed(self) -> list[Path]:
        """Return the files that look otherwise than at the last call."""
        now = {file: _look(file) for file in self._seen}
        changed = [file for file, look in now.items() if look != self._seen[file]]
        self._seen = now
        return sorted(changed)


def _look(file: Path) -> Print:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
