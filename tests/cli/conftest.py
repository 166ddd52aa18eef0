"""One example folder for all tests of the commands, and the command called in this process and as its own."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.main import main

COMMAND = Path(sys.executable).parent / "driftmon"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON, which knows no NaN."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


@dataclass(frozen=True, slots=True)
class Example:
    """What `driftmon init` laid down, with a baseline of its first two days."""

    folder: Path
    end: datetime
    """Where its log ends."""

    @property
    def quiet(self) -> tuple[str, ...]:
        """Options that name its first two days."""
        return (
            "--start",
            (self.end - timedelta(days=3)).isoformat(),
            "--end",
            (self.end - timedelta(days=1)).isoformat(),
        )

    @property
    def config(self) -> str:
        return str(self.folder / "driftmon.yaml")

    def variant(self, path: Path, old: str, new: str) -> str:
        """Write a configuration that differs in one place, for the same log and index."""
        text = (self.folder / "driftmon.yaml").read_text()
        assert old in text
        text = text.replace(old, new)
        path.write_text(text.replace("driftmon-example/", f"{self.folder}/driftmon-example/"))
        return str(path)


def call(*arguments: str) -> Said:
    """Call the command in this process: the same code as the script's, without the second that importing takes."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setattr(sys, "argv", ["driftmon", *arguments])
        with contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int)
    return Said(ended.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def driftmon() -> Callable[..., Said]:
    """Call the command in this process."""
    return call


@pytest.fixture(scope="session")
def program() -> Callable[..., Said]:
    """Run the command as a user does."""

    def run(*arguments: str, **options: Any) -> Said:
        done = subprocess.run(
            [COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=60, **options
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """An example folder; its baseline 1 is active."""
    folder = tmp_path_factory.mktemp("example")
    said = call("init", str(folder / "driftmon.yaml"))
    assert said.code == 0, said.err
    with closing(sqlite3.connect(folder / "driftmon-example" / "log.db")) as log:
        newest = datetime.fromisoformat(
            log.execute("SELECT max(created_at) FROM retrieval_log").fetchone()[0]
        )
    # The log ends with a whole hour; tests must not depend on the hour they run in.
    end = newest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    made = Example(folder, end)
    said = call("baseline", "build", *made.quiet, "--reason", "first", "-c", made.config)
    assert said.code == 0, said.err
    return made
