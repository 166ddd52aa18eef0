"""Holds what the chart renders to checkov's rules: ``python -m deploy.helm.scan CHECKOV``; `make scan` installs it.

Every value set, the kustomize base and the Dockerfile are scanned. A rule that is not met must stand in `EXPLAINED`
with the value sets that do not meet it, and its reason in docs/kubernetes.md; anything else fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.helm.kustomize import CHART, find_helm

ROOT = Path(__file__).parents[2]
EVERYWHERE = "*"
EXPLAINED: Mapping[str, frozenset[str]] = {
    "CKV_K8S_8": frozenset({EVERYWHERE}),
    "CKV_K8S_9": frozenset({EVERYWHERE}),
    "CKV_K8S_11": frozenset({"no-cpu-limit"}),
    "CKV_K8S_15": frozenset({EVERYWHERE}),
    "CKV_K8S_21": frozenset({"kustomize"}),
    "CKV_K8S_35": frozenset({"extra"}),
    "CKV_K8S_40": frozenset({"openshift"}),
    "CKV_K8S_43": frozenset({EVERYWHERE}),
    "CKV_DOCKER_2": frozenset({"Dockerfile"}),
    "CKV_DOCKER_7": frozenset({"Dockerfile"}),
}
"""Rules that are not met, and where."""


def scan(checkov: str) -> list[str]:
    """Return a line for every rule that is not met and not explained, and for every explanation without a finding."""
    helm = find_helm()
    if helm is None:
        raise SystemExit("helm is not installed: deploy/get_helm.sh puts it into build/bin")
    found: set[tuple[str, str]] = set()
    with TemporaryDirectory(prefix="driftmon-scan-") as name:
        folder = Path(name)
        for values in sorted((CHART / "ci").glob("*-values.yaml")):
            command = [helm, "template", "watch", str(CHART), "--namespace", "search", "-f", str(values)]
            rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 our own chart
            (folder / f"{values.name.removesuffix('-values.yaml')}.yaml").write_text(rendered)
        found |= {(rule, Path(file).stem) for rule, file in _failed(checkov, "kubernetes", "-d", str(folder))}
    kustomize = str(ROOT / "deploy" / "kustomize")
    found |= {(rule, "kustomize") for rule, _ in _failed(checkov, "kubernetes", "-d", kustomize)}
    dockerfile = str(ROOT / "deploy" / "Dockerfile")
    found |= {(rule, "Dockerfile") for rule, _ in _failed(checkov, "dockerfile", "-f", dockerfile)}
    return [
        *_unexplained(found),
        *sorted(f"{rule} is met everywhere" for rule in EXPLAINED.keys() - dict(found)),
    ]


def _unexplained(found: Iterable[tuple[str, str]]) -> list[str]:
    return sorted(
        f"{rule}: not met by {where}, and not explained"
        for rule, where in found
        if not EXPLAINED.get(rule, frozenset()) & {where, EVERYWHERE}
    )


def _failed(checkov: str, framework: str, *where: str) -> set[tuple[str, str]]:
    command = [
        checkov,
        "--framework",
        framework,
        "--skip-download",
        "--compact",
        "--quiet",
        "-o",
        "json",
        *where,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own files
    report = json.loads(done.stdout)
    if report["summary"]["parsing_errors"] or not report["summary"]["resource_count"]:
        raise SystemExit(f"checkov could not read {where[-1]}: {done.stderr[-2000:]}")
    return {(check["check_id"], check["file_path"]) for check in report["results"]["failed_checks"]}


if __name__ == "__main__":
    lines = scan(sys.argv[1])
    print("\n".join(lines) or "every rule is met or explained")
    sys.exit(bool(lines))
