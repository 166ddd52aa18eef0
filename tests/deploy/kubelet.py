"""Runs a rendered container as a real process here: its volumes, environment, user and read-only root.

A pod's paths are moved below a folder; all else is as rendered. Where this machine allows it (Linux, root), the
process has the user of its pod, no capability and a root file system that it cannot write to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.deploy.conftest import Manifest

BIN = Path(sys.executable).parent
Files = Mapping[str, str]
_LIMITS = """
while [ "$1" != -- ]; do mount --bind "${1%%=*}" "${1#*=}"; shift; done
shift
mount -o remount,bind,ro /
exec "$@"
"""


def project(folder: Path, files: Files, group: int | None = None, mode: int = 0o644) -> None:
    """Write a ConfigMap or Secret as the kubelet does: a new folder, and a link to it that is exchanged."""
    version = folder / f"..{time.monotonic_ns()}"
    version.mkdir(parents=True)
    for name, text in files.items():
        (version / name).write_text(text)
        (version / name).chmod(mode)
        if group is not None:
            os.chown(version / name, -1, group)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    fresh = folder / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.rename(folder / "..data")


@cache
def _allowed(limits: tuple[str, ...]) -> bool:
    """Whether a process starts under such limits here."""
    tried = subprocess.run([*limits, BIN / "driftmon", "--version"], capture_output=True, check=False)
    return tried.returncode == 0


@dataclass
class Node:
    """Where a pod's files lie, and what its process may do."""

    folder: Path
    pod: Manifest
    config_maps: Mapping[str, Files]
    secrets: Mapping[str, Files]
    host_paths: Mapping[str, Path] = field(default_factory=dict)
    """What lies on a claim, by the volume's name."""
    port: str = "127.0.0.1:0"
    """In a cluster every pod has an address of its own; here they share one."""
    code: Path | None = None
    """The tree of another release, where the pod's image is one of that."""
    seen: Mapping[Path, Path] = field(default_factory=dict)
    """What the process sees at a place of the machine instead of what lies there: its own control groups."""

    def __post_init__(self) -> None:
        for volume in self.pod["spec"]["volumes"]:
            folder = self.folder / "volumes" / volume["name"]
            folder.mkdir(parents=True)
            if "configMap" in volume:
                self.write_config(self.config_maps[volume["configMap"]["name"]], volume["name"])
            elif "secret" in volume:
                group = self._context["fsGroup"] if self._privileged else None
                secret = volume["secret"]
                project(folder, self.secrets[secret["secretName"]], group, secret["defaultMode"])
            elif volume["name"] in self.host_paths:
                folder.rmdir()
                folder.symlink_to(self.host_paths[volume["name"]])
            else:
                folder.chmod(0o777)  # an emptyDir, or an empty claim

    def write_config(self, files: Files, volume: str = "config") -> None:
        """Write or exchange the mounted configuration."""
        moved = {name: self._moved(text) for name, text in files.items()}
        project(self.folder / "volumes" / volume, moved)

    @property
    def _context(self) -> Manifest:
        context: Manifest = self.pod["spec"]["securityContext"]
        return context

    @cached_property
    def _privileged(self) -> bool:
        return os.geteuid() == 0 and sys.platform == "linux"

    @cached_property
    def limits(self) -> list[str]:
        """The command that puts the pod's limits on another command; empty where this machine does not allow it."""
        if not self._privileged or not (shutil.which("unshare") and shutil.which("setpriv")):
            return []
        writable = [
            str((self.folder / "volumes" / v["name"]).resolve())
            for v in self.pod["spec"]["volumes"]
            if not {"configMap", "secret"} & set(v) and not v.get("persistentVolumeClaim", {}).get("readOnly")
        ]
        user = [
            f"--reuid={self._context['runAsUser']}",
            f"--regid={self._context['runAsGroup']}",
            "--clear-groups",
        ]
        dropped = ["setpriv", *user, "--no-new-privs", "--bounding-set=-all", "--"]
        own = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-ec",
            _LIMITS,
            "sh",
            *writable,
            "--",
            *dropped,
        ]
        writable_free = [word for word in own if word not in writable]
        return own if _allowed(tuple(writable_free)) else []

    def _moved(self, text: str) -> str:
        mounts = {m["mountPath"]: m["name"] for c in self._containers for m in c["volumeMounts"]}
        paths = "|".join(re.escape(path) for path in sorted(mounts, key=len, reverse=True))
        # In one go: the folder that stands for one mount may lie below the path of another.
        text = re.sub(
            rf"(?<![\w.-])({paths})(?![\w-])",
            lambda match: str(self.folder / "volumes" / mounts[match[1]]),
            text,
        )
        return text.replace("0.0.0.0:9464", self.port)

    @property
    def _containers(self) -> list[Manifest]:
        return [*self.pod["spec"].get("initContainers", ()), *self.pod["spec"]["containers"]]

    def environment(self, container: Manifest) -> dict[str, str]:
        """The container's variables, and what its image sets."""
        own = {v["name"]: self._moved(v["value"]) for v in container["env"]}
        code = {} if self.code is None else {"PYTHONPATH": str(self.code)}
        return {"PATH": f"{BIN}:/usr/bin:/bin", "TMPDIR": own["HOME"], "LANG": "C.UTF-8", **code, **own}

    def run(self, container: Manifest, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a container, or a command in it, to its end."""
        words = [self._moved(word) for word in command or container["command"]]
        return subprocess.run(
            [*self.limits, *self._found(words)],
            cwd=self.folder,
            env=self.environment(container) | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def start(self, container: Manifest) -> Running:
        """Start a container that goes on."""
        process = subprocess.Popen(
            [*self.limits, *self._found(container["command"])],
            cwd=self.folder,
            env=self.environment(container),
            stderr=subprocess.PIPE,
            text=True,
        )
        return Running(process, container)

    @staticmethod
    def _found(words: list[str]) -> list[str]:
        return [str(BIN / words[0]), *words[1:]]


class Running:
    """A container's process, its log, and its probes."""

    def __init__(self, process: subprocess.Popen[str], container: Manifest) -> None:
        self.process, self.container = process, container
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    def events(self, name: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    @property
    def url(self) -> str:
        return str(self.wait("the start", lambda: self.events("started"))[0]["url"])

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10, trust_env=False)

    def probe(self, name: str) -> bool:
        """Ask as the kubelet would, once."""
        return self.get(self.container[name]["httpGet"]["path"]).status_code == httpx.codes.OK

    def wait(self, what: str, seen: Any, seconds: float = 60.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := seen()):
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s\n{''.join(self.lines)}"
            time.sleep(0.1)
        return found

    def facts(self) -> dict[str, str]:
        """What the kernel says of the process."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def end(self, number: int) -> tuple[int, float]:
        """Send a signal; return the exit code and how long the end took."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(5)
        return code, time.monotonic() - started

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
