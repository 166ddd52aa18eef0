from __future__ import annotations

import io
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor import __version__
from monitor.cli import main as command
from monitor.errors import ConfigError, EdgeError

COMMAND = Path(sys.executable).parent / "driftmon"
HEAVY = ("numpy", "scipy", "sqlalchemy", "alembic", "torch", "pydantic", "rich.table", "uvicorn", "structlog")
Run = Callable[..., Any]


def test_help_imports_nothing_heavy() -> None:
    script = f"""
import sys
from monitor.cli.main import main
sys.argv = ["driftmon", "--help"]
try:
    main()
except SystemExit as ended:
    print(ended.code, [name for name in {HEAVY} if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert out.endswith("0 []\n")
    assert "baseline" in out


def test_version(driftmon: Run) -> None:
    said = driftmon("--version")
    assert (said.code, said.out) == (0, f"driftmon {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("check", "--nope"), "No such option: --nope"),
        (("baseline", "show", "x"), "valid integer"),
        (("evaluate", "--windows", "0"), "greater than or equal to 1"),
        (("evaluate", "--windows", "1000000000"), "less than or equal to 10000"),
    ],
)
def test_a_wrong_call_is_told_plainly(driftmon: Run, arguments: tuple[str, ...], message: str) -> None:
    said = driftmon(*arguments)
    assert said.code == 2
    assert message in said.err
    assert said.out == ""


def _raise(error: BaseException) -> Callable[..., None]:
    def app(**_: object) -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConfigError("a.b: wrong"), 2, "driftmon: a.b: wrong\n"),
        (EdgeError("log: gone"), 3, "driftmon: log: gone\n"),
        (PermissionError(13, "Permission denied", "log.db"), 3, "driftmon: log.db: Permission denied\n"),
        (KeyboardInterrupt(), 130, "driftmon: stopped; what was committed is kept\n"),
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
    ],
)
def test_an_error_becomes_one_line_and_a_code(
    driftmon: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
) -> None:
    monkeypatch.setattr(command, "app", _raise(error))
    said = driftmon("status")
    assert (said.code, said.err) == (code, told)


@pytest.mark.e2e
@pytest.mark.parametrize("arguments", [("status",), ("check", "--json"), ("--help",)], ids=" ".join)
def test_a_reader_that_goes_away_is_no_error(example: Any, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    config = () if arguments == ("--help",) else ("-c", example.config)
    done = subprocess.run(
        [COMMAND, *arguments, *config], check=False, stdout=writing, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.e2e
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [("status",), ("db", "current")], ids=" ".join)
def test_a_full_disk_is_told_plainly(example: Any, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, *arguments, "-c", example.config],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (3, b"driftmon: standard output: No space left on device\n")


def test_a_closed_or_narrow_stream_is_made_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    monkeypatch.setattr(sys, "stderr", None)
    command._prepare_streams()
    print("größer", file=sys.stdout, flush=True)
    print("to nobody", file=sys.stderr, flush=True)
    assert narrow.buffer.getvalue() == b"gr??er\n"
    sys.stderr.close()


def _interrupt(arguments: list[str], after: bytes) -> tuple[int, str]:
    """Run a command on a terminal, press Ctrl-C once it shows ``after``, and return its code and last words."""
    terminal, other = pty.openpty()
    process = subprocess.Popen([COMMAND, *arguments], stdin=other, stdout=other, stderr=other)
    os.close(other)
    seen, pressed = b"", False
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
            if after in seen and not pressed:
                process.send_signal(signal.SIGINT)
                pressed = True
    except OSError:
        pass  # Linux says so when the other end of a terminal is closed
    finally:
        os.close(terminal)
    code = process.wait(30)
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen)
    return code, re.split(rb"[\r\n]+", plain.strip())[-1].decode()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        (["evaluate", "--windows", "3000"], b"walking windows"),
        (["baseline", "build", "--start", "2010-01-01"], b"reading quiet windows"),
    ],
    ids=["evaluate", "baseline build"],
)
def test_ctrl_c_ends_a_long_command_with_one_line(
    example: Any, tmp_path: Path, arguments: list[str], after: bytes
) -> None:
    # Small samples: a baseline then takes thousands of windows instead of hundreds.
    config = example.variant(tmp_path / "driftmon.yaml", "sample_size: 200", "sample_size: 30")
    shutil.copy(example.folder / "driftmon.db", tmp_path)
    code, last = _interrupt([*arguments, "-c", config], after)
    assert (code, last) == (130, "driftmon: stopped; what was committed is kept")
