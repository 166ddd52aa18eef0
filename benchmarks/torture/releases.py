"""Releases as pods of the chart: an image of another release is its tree out of git; pods are replaced one by one."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import tarfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx

from tests.deploy.cluster import config_maps
from tests.deploy.conftest import Manifest, only
from tests.deploy.kubelet import Node, Running

ROOT = Path(__file__).resolve().parents[2]
PREVIOUS = "747af65"
"""The last commit of the release before: its schema is at 0003, this release's at 0004."""
SOME = 24
"""Windows that a pod has done before it is replaced."""
APART = 1.0
"""Seconds between SIGHUP and SIGTERM."""
LOOK = 0.1
"""Seconds between two looks at the readiness probes."""


class NoPreviousReleaseError(Exception):
    """This clone does not have the commit of the release before."""


@dataclass(frozen=True)
class Release:
    """What is installed: a name, the tree that stands for the image (None: this one), and the chart's manifests."""

    name: str
    code: Path | None
    manifests: tuple[Manifest, ...]

    @property
    def pod(self) -> Manifest:
        """The pod's template."""
        template: Manifest = only(self.manifests, "Deployment")["spec"]["template"]
        return template

    @property
    def container(self) -> Manifest:
        """The daemon's container."""
        (container,) = self.pod["spec"]["containers"]
        found: Manifest = container
        return found

    @property
    def config(self) -> dict[str, str]:
        """The mounted configuration."""
        name = only(self.manifests, "Deployment")["metadata"]["name"]
        return config_maps(self.manifests)[name]


def unpack(commit: str, folder: Path) -> Path:
    """Lay a commit's code into a folder, as installed: with the entry points that its plug-ins are found by."""
    done = subprocess.run(
        ["git", "archive", commit, "monitor", "migrations", "pyproject.toml"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise NoPreviousReleaseError(
            f"no commit {commit} in this clone: fetch the whole history to try the release before"
        )
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    info = folder / f"{re.sub('[-.]+', '_', project['name'])}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@dataclass
class Pods:
    """The pods of a Deployment, each a real process; who serves is asked for its readiness all the time."""

    folder: Path
    secrets: Mapping[str, Mapping[str, str]]
    claims: Mapping[str, Path]
    serving: list[Pod] = field(default_factory=list)
    gone: list[Pod] = field(default_factory=list)
    unready: float = 0.0
    """Seconds during which no pod was ready."""
    longest_end: float = 0.0
    codes: list[int] = field(default_factory=list)

    @property
    def every(self) -> list[Pod]:
        """All that there have been."""
        return [*self.gone, *self.serving]

    def node(self, release: Release) -> Node:
        """Return the place of a new pod, before anything runs in it."""
        number = len(list(self.folder.glob("pod*")))
        place = self.folder / f"pod{number:02}"
        maps = config_maps(release.manifests)
        return Node(place, release.pod, maps, self.secrets, self.claims, code=release.code)

    def start(self, release: Release) -> Pod:
        """Migrate as the init container does, start, and let it serve once it is ready."""
        node = self.node(release)
        for container in release.pod["spec"].get("initContainers", ()):
            done = node.run(container)
            if done.returncode:
                raise RuntimeError(f"{release.name}: {container['name']} failed: {done.stderr[-2000:]}")
        running = node.start(release.container)
        try:
            running.wait("the start", lambda: running.events("started"), 120)
            pod = Pod(release.name, node, running, running.url)
            with httpx.Client(trust_env=False) as client:
                running.wait("readiness", lambda: pod.ready(client), 120)
        except BaseException:
            running.close()
            raise
        self.serving.append(pod)
        return pod

    def stop(self, pod: Pod) -> None:
        """Take a pod out of the service and end it, as a Deployment does."""
        self.serving.remove(pod)
        self.gone.append(pod)
        code, seconds = pod.running.end(signal.SIGTERM)
        self.codes.append(code)
        self.longest_end = max(self.longest_end, seconds)

    def configure(self, release: Release) -> None:
        """Exchange the ConfigMap, which every pod mounts, the old ones too."""
        for pod in self.serving:
            pod.node.write_config(release.config)

    def roll(self, release: Release, before_each: Sequence[Callable[[], None]]) -> None:
        """Replace every pod by one of a release: a new one first (maxSurge 1, maxUnavailable 0)."""
        self.configure(release)
        for old, prepare in zip(list(self.serving), before_each, strict=True):
            prepare()
            self.start(release)
            self.stop(old)

    def recreate(self, release: Release, prepare: Callable[[], None]) -> float:
        """End all pods, start one and let it work; return the seconds in between without any (Recreate)."""
        prepare()
        # The release before loses the second of two signals that come at once.
        time.sleep(APART)
        for old in list(self.serving):
            self.stop(old)
        began = time.monotonic()
        pod = self.start(release)
        gap = time.monotonic() - began
        pod.running.wait("some work", lambda: len(pod.running.events("window done")) >= SOME, 600)
        return gap

    def reread(self) -> None:
        """Have every pod plan now instead of at its next tick."""
        for pod in self.serving:
            pod.running.process.send_signal(signal.SIGHUP)

    def close(self) -> None:
        """End whatever still runs."""
        for pod in self.every:
            pod.running.close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Ask all who serve for their readiness until left."""
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join(30)

    def _watch(self, over: threading.Event) -> None:
        last = time.monotonic()
        with httpx.Client(trust_env=False, timeout=5) as client:
            while not over.wait(LOOK):
                ready = any(pod.ready(client) for pod in list(self.serving))
                now = time.monotonic()
                self.unready += 0.0 if ready else now - last
                last = now

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return a named event of every pod's log."""
        return [event for pod in self.every for event in pod.running.events(name)]


@dataclass(frozen=True, eq=False)
class Pod:
    """One pod that runs."""

    release: str
    node: Node
    running: Running
    url: str

    @property
    def worker(self) -> str:
        """What the ledger calls it."""
        return f"{socket.gethostname()}:{self.running.process.pid}"

    def ready(self, client: httpx.Client) -> bool:
        """Ask its readiness probe."""
        path = self.running.container["readinessProbe"]["httpGet"]["path"]
        with suppress(httpx.HTTPError):
            return client.get(self.url + path).status_code == httpx.codes.OK
        return False
