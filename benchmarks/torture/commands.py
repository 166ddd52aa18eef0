"""driftmon's commands in processes of their own, forked from one that has the libraries already."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.torture.secret_scenes import Scene

_LIBRARIES = (
    "monitor.cli.main",
    "monitor.wiring",
    "monitor.daemon",
    "monitor.store.schema",
    "psycopg",
    "pgvector.psycopg",
)


def _break_driver() -> None:
    import psycopg

    def connect(*arguments: object, **options: object) -> None:
        raise RuntimeError(f"a defect inside the driver: {arguments} {options}")

    psycopg.connect = psycopg.Connection.connect = connect  # type: ignore[assignment,method-assign]


def _child(scene: Scene, folder: str, arguments: tuple[str, ...], out: str) -> None:
    """Be one command, in a process that has its libraries already."""
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))
    os.chdir(folder)
    os.environ.update(scene.environment)
    signal.alarm(120)
    if scene.broken_driver:
        _break_driver()
    sys.argv = ["driftmon", *arguments]
    from monitor.cli.main import main as command

    command()


def start_command(scene: Scene, folder: Path, arguments: tuple[str, ...], out: Path) -> BaseProcess:
    """Start one command in a process of its own that writes all it says to ``out``."""
    context = get_context("forkserver")
    # Importing the libraries takes a second, a fork some milliseconds.
    context.set_forkserver_preload([__name__, *_LIBRARIES])
    process = context.Process(target=_child, args=(scene, str(folder), arguments, str(out)))
    process.start()
    return process
