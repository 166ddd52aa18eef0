"""The environment of the peers, and what it has answered: kept per set of windows, so that a run adds to the last."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.detection.pool import CACHE

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build" / "peers-venv" / "bin" / "python"
"""``make peers-venv`` makes it."""
PACKAGES = {"alibi-detect": "alibi-detect", "Evidently": "evidently", "frouros": "frouros"}
"""First word of a detector's name, and the distribution that it comes from."""
TIMED = "0 quiet"
CALLS = 4
"""Every process judges the first window at least so often: once to warm up, then to be timed."""


@dataclass(frozen=True)
class Answer:
    """What a detector said of a window; CPU seconds and the process's peak memory meanwhile in MB."""

    run: int
    scenario: str
    found: bool
    p: float | None
    cpu: float
    peak: float


def installed(python: Path = PYTHON) -> dict[str, str]:
    """Return the versions of the peers that the environment has; none where there is no environment."""
    if not python.exists():
        return {}
    ask = (
        "import importlib.metadata as m, json\n"
        "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
    )
    answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    versions = json.loads(answer.stdout)
    return {peer: versions[name] for peer, name in PACKAGES.items() if name in versions}


def parse(lines: Iterable[str]) -> list[Answer]:
    """Return the answers among what a process printed; libraries print other things, and a killed one half a line."""
    answers = []
    for line in lines:
        try:
            row: Any = json.loads(line)
            answers.append(Answer(**{name: row[name] for name in Answer.__dataclass_fields__}))
        except (ValueError, KeyError, TypeError):
            continue
    return answers


@dataclass(frozen=True)
class Peer:
    """One detector in a process of its own; ``command`` is followed by the folder of windows and the arguments."""

    command: tuple[str, ...]
    arguments: tuple[str, ...] = ()

    def ask(self, folder: Path, lines: Sequence[str], seconds: float) -> list[Answer]:
        """Return the answers to as many lines as the seconds allow.

        Raises
        ------
        RuntimeError
            When the process fails; with the end of what it said.
        """
        process = subprocess.run(
            [*self.command, str(folder), *self.arguments, str(seconds)],
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        if process.returncode:
            raise RuntimeError(f"{' '.join(self.command)} {self.arguments}: {process.stderr.strip()[-500:]}")
        return parse(process.stdout.splitlines())


def ours() -> Peer:
    """Return our own set, as a process like the others."""
    return Peer((sys.executable, "-m", "benchmarks.detection.ours_process"))


def peer(detector: str) -> Peer:
    """Return a peer's detector."""
    return Peer((str(PYTHON), "-m", "benchmarks.detection.peer_process"), (detector,))


@dataclass(frozen=True)
class Kept:
    """Answers of earlier runs to the same windows by the same version; delete the file when it is asked otherwise."""

    path: Path

    @classmethod
    def of(cls, fingerprint: str, detector: str, version: str) -> Kept:
        """Return where they lie."""
        name = detector.lower().replace(" ", "-").replace("(", "").replace(")", "")
        return cls(CACHE / "peers" / fingerprint / f"{name}-{version}.jsonl")

    def read(self) -> dict[tuple[int, str], Answer]:
        """Return the kept answers by run and scenario."""
        if not self.path.exists():
            return {}
        return {(a.run, a.scenario): a for a in parse(self.path.read_text(encoding="utf-8").splitlines())}

    def add(self, answers: Iterable[Answer]) -> None:
        """Keep those that are new."""
        before = self.read()
        fresh = {(a.run, a.scenario): a for a in answers if (a.run, a.scenario) not in before}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(vars(a)) + "\n" for a in fresh.values())
