from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, sys
import structlog
from monitor.cli.logs import configure_logs
configure_logs(sys.argv[1], "warning")
log = structlog.get_logger("driftmon")
log.info("too low")
log.warning("window failed", collection="docs", attempt=1)
logging.getLogger("apscheduler.scheduler").warning("skipped: maximum number of running instances reached")
logging.getLogger("other").warning("of a library")
try:
    raise ValueError("bad")
except ValueError:
    log.exception("tick failed")
"""


def _log(style: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, style], check=True, capture_output=True, text=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_is_one_event_a_line() -> None:
    first, library, failure = _log("json")
    event = json.loads(first)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "window failed", "level": "warning", "collection": "docs", "attempt": 1}
    assert library == "WARNING other of a library"
    assert "ValueError: bad" in json.loads(failure)["exception"]


def test_plain_text_has_no_colour_off_a_terminal() -> None:
    lines = _log("console")
    assert "window failed" in lines[0]
    assert "attempt=1" in lines[0]
    assert "\x1b" not in "".join(lines)
    assert not any("maximum number" in line for line in lines)


def test_an_unknown_level_never_gets_here() -> None:
    from monitor.config import LogConfig

    with pytest.raises(ValueError, match="level"):
        LogConfig(level="loud")  # type: ignore[arg-type]
