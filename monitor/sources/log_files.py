"""Which files a log has, each looked at once a window: a year of hourly files is some nine thousand."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from monitor.errors import EdgeError

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""Removed since it was listed, or a link that leads nowhere."""

Version = tuple[int, int, int]
"""A file's inode, size and time of change: while they stay, so does what it holds."""


class LogFile(NamedTuple):
    """A file of the log, and its version when the files were listed."""

    name: str
    version: Version


def list_files(path: str) -> list[LogFile]:
    """Return the log files that ``path`` names, sorted; raises `EdgeError` when there is none."""
    place = Path(path)
    if place.is_file() and not path.endswith(SUFFIXES):
        raise EdgeError(f"source.path: {path} is none of {', '.join(SUFFIXES)}; rename or convert it")
    found: Iterable[str]
    if place.is_dir():
        found = map(str, place.rglob("*"))
    else:
        found = [path] if place.is_file() else glob.glob(path, recursive=True)  # noqa: PTH207
    # Names, not paths: to make a path of each takes longer than to look at it.
    names = [name for name in found if name.endswith(SUFFIXES)]
    names.sort(key=lambda name: name.split(os.sep))  # noqa: PTH206
    files = [LogFile(name, version) for name in names if (version := _version(name)) is not None]
    if not files:
        raise EdgeError(f"source.path: no file {', '.join(SUFFIXES)} at {path}; correct the path")
    return files


def version_of(status: os.stat_result) -> Version:
    """Return what tells one state of a file from another."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def _version(name: str) -> Version | None:
    try:
        status = os.stat(name)  # noqa: PTH116  see above
    except OSError as error:
        if error.errno in _GONE:
            return None
        reason = error.strerror
        raise EdgeError(f"log file {name}: cannot be read ({reason}); repair it or move it away") from error
    return version_of(status) if stat.S_ISREG(status.st_mode) else None
