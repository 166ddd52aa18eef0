"""Texts that would be acted on: by a browser, a terminal, a reader of log lines, a scraper."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from monitor.metrics import Exporter
from monitor.metrics.names import METRICS
from monitor.records import Cause, CollectionStatus, Evidence, Incident, Reading, Snapshot, Verdict
from monitor.web.page import render_page
from monitor.web.status import summarize

TEXTS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'-alert(1)-'",
    "</title><svg onload=alert(1)>", "<!--", "]]>", "javascript:alert(1)", "&lt;script&gt;",
    "<a href='//evil'>", "{{7*7}}", "${7*7}", "%3Cscript%3E", "\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H",
    "\x1b]0;title\x07", "\x1b]8;;http://evil\x1b\\link", "\x9b31m", "\x07\x08\x7f",
    "\rOK everything is fine", "a\nb", '\n{"event": "window done", "state": "quiet"}',
    "\r\n2026-01-01T00:00:00Z [info] all quiet", "\u2028next\u2029next", "\x85next", "\x0b\x0c",
    "\u202edesrever\u202c", "\u200b\u200d\ufeff", "\0", "\ud800", "[bold red]rich[/]",
    "[link=http://evil]x[/link]", "[/]", "\\[x]", ":bomb:", '"} 1\nevil_metric 1\n#', 'x",evil="1', "a\\",
    "\\n", "# HELP evil", "NaN", "'; DROP TABLE windows; --", "%s%s%n", "{0.__class__}", "Ω" * 300,
    "x" * 100_000, "🦄\u0301\u0301", "",
)  # fmt: skip
_NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
_TAGS = frozenset(
    [
        *(
            "html",
            "head",
            "meta",
            "title",
            "link",
            "body",
            "header",
            "main",
            "footer",
            "nav",
            "section",
            "div",
            "h1",
            "h2",
        ),
        *(
            "table",
            "caption",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "ul",
            "li",
            "p",
            "span",
            "strong",
            "time",
            "code",
            "a",
        ),
    ]
)
_LINK = re.compile(
    r"data:,|#main|\./|style\.css|api/v1/status|metrics|login\?next=[\w.~%-]*|(collections/[\w.~%/-]*|incidents/\d+)"
)
"""Where the page may lead: its own places, and those of a collection, whose name is percent-encoded."""
_METRICS = frozenset(info.name.removesuffix(suffix) for info in METRICS for suffix in ("", "_total", "_info"))


@dataclass
class Texts:
    """How often each text was shown, and where it was acted on."""

    shown: int = 0
    defects: list[str] = field(default_factory=list)


def _snapshot(text: str) -> Snapshot:
    """Return a snapshot in which everything that a third party's plug-in names is this text."""
    reading = Reading(text, text, 0.5, 9, log_p=-1.0, detail={text: 1.0, "word": text})
    verdict = Verdict("drift", "critical", (Cause(text, 0.9, (text,)),), (text,), (text,))
    incident = Incident(1, "docs", _NOW, _NOW, None, "critical", text, (text,))
    status = CollectionStatus(
        collection=text,
        window_end=_NOW,
        readings=(reading,),
        evidence=(Evidence(text, text, 1.0, firing=True),),
        verdict=verdict,
        incidents=(incident,),
        windows={"done": 1},
        sample_sizes={text: 9},
        baseline_id=1,
        baseline_model=text,
        log_threshold=9.0,
        window_length=timedelta(minutes=15),
    )
    return Snapshot(_NOW, (status,), {(text, text): 1})


class _Page(HTMLParser):
    """Counts what a browser would make of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        bad = [name for name, _ in attrs if name.startswith("on") or name == "srcdoc"]
        links = [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in _TAGS or bad or not all(map(_LINK.fullmatch, links)):
            self.found.append(f"<{tag} {bad} {links}>")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"a comment {data[:40]!r}")


def try_page_and_metrics(texts: Texts) -> None:
    """Show each text on the status page, in its JSON and in /metrics."""
    for text in TEXTS:
        texts.shown += 3
        snapshot = _snapshot(text)
        page = _Page()
        page.feed(render_page(summarize(snapshot)))
        texts.defects += [f"page with {text[:40]!r}: {found}" for found in page.found]
        json.loads(json.dumps(summarize(snapshot), allow_nan=False))
        exporter = Exporter()
        exporter.publish(snapshot)
        texts.defects += [f"/metrics with {text[:40]!r}: {found}" for found in _foreign_metrics(exporter)]


def _foreign_metrics(exporter: Exporter) -> Iterator[str]:
    for accept in ("", "application/openmetrics-text"):
        exposition = exporter.render(accept)[0].decode()
        if any(unicodedata.category(c) == "Cc" and c != "\n" for c in exposition):
            yield "a control character"
        if accept:
            continue
        for family in text_string_to_metric_families(exposition):
            if family.name.startswith("driftmon_") and family.name not in _METRICS:
                yield f"a metric {family.name}"
            if not family.name.startswith(("driftmon_", "process_", "python_")):
                yield f"a metric {family.name}"
            yield from (
                f"the label {label}"
                for sample in family.samples
                for label in sample.labels
                if label == "evil"
            )


# The terminal


def try_terminal(folder: Path, texts: Texts) -> None:
    """Put the texts into a log, its path, a suite and an index, and look at what the commands print."""
    place = folder / "log \x1b[31m\x07\u202e[bold]"
    place.mkdir(parents=True)
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=40)
    rng = np.random.default_rng(3)
    with (place / "log.jsonl").open("w", encoding="utf-8") as log:
        for i in range(800):
            text = TEXTS[i % len(TEXTS)][:500]
            row: dict[str, Any] = {
                "id": f"{text}{i}",
                "at": (start + timedelta(minutes=3 * i)).isoformat(),
                "text": text,
            }
            row |= {
                "vector": rng.normal(size=4).tolist(),
                "hits": [text + "x", "d1"],
                "scores": [0.9, 0.5],
                "model": text,
            }
            if i % 3 == 0:
                row[("id", "vector", "hits", "at", "segments")[i // 3 % 5]] = [text] if i // 3 % 5 else ""
            log.write(json.dumps(row) + "\n")
    with (folder / "index.jsonl").open("w", encoding="utf-8") as index:
        for i, text in enumerate(TEXTS * 4):
            index.write(json.dumps({"id": f"{text[:500]}{i}", "vector": rng.normal(size=4).tolist()}) + "\n")
    with (folder / "suite.jsonl").open("w", encoding="utf-8") as suite:
        for i, text in enumerate(TEXTS):
            judged = {"id": f"{text[:500]}{i}", "text": text + "?", "relevant": {text[:500] + "not there": 1}}
            suite.write(json.dumps(judged | {"vector": rng.normal(size=4).tolist()}) + "\n")
    (folder / "driftmon.yaml").write_text(
        f"collections: {{docs: {{window: 1h, lateness: 0s, sample_size: 200, suite: suite.jsonl,\n"
        f"  source: {{type: file, path: {json.dumps(str(place))}}}, index: {{type: memory, path: index.jsonl}}}}}}\n"
    )
    since = f"{start:%Y-%m-%dT%H:%M}Z"
    until = f"{start + timedelta(hours=30):%Y-%m-%dT%H:%M}Z"
    for arguments in (
        ("check",),
        ("baseline", "build", "docs", "--start", since, "--end", until, "--reason", TEXTS[12]),
        ("baseline", "list"),
        ("baseline", "show", "1"),
        ("evaluate", "docs", "--windows", "3", "--until", until),
        ("status",),
        ("status", "docs"),
        ("status", TEXTS[12]),
        ("evaluate", TEXTS[14]),
        ("baseline", "show", "77"),
    ):
        texts.shown += len(TEXTS)
        told = _say(folder, arguments)
        acted = sorted(
            {repr(c) for c in told if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"}
        )
        if acted:
            texts.defects.append(f"driftmon {' '.join(arguments)[:40]!r} prints {', '.join(acted)}")
        if "Traceback" in told:
            texts.defects.append(f"driftmon {' '.join(arguments)[:40]!r}: {told[-300:]!r}")


def _say(folder: Path, arguments: tuple[str, ...]) -> str:
    from monitor.cli.main import main as command

    said = io.StringIO()
    with (
        patch.object(sys, "argv", ["driftmon", *arguments, "-c", str(folder / "driftmon.yaml")]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        contextlib.suppress(SystemExit),
    ):
        command()
    return said.getvalue()


# The daemon's log

_LOGGER = """
import json, logging, sys, warnings
import structlog
from monitor.cli.logs import configure_logs
configure_logs(sys.argv[1], "debug")
log = structlog.get_logger("driftmon")
for text in json.load(sys.stdin):
    log.info("window done", collection=text, where=text, detail={text: [text]})
    log.warning("window failed", error=text)
    log.error(text)
    logging.getLogger("library").warning(text)
    logging.getLogger("library").warning("%s and %s", text, text)
    warnings.warn(UserWarning(text), stacklevel=1)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("window failed unexpectedly")
sys.stderr.flush()
"""
_EVENTS = 7


def try_logs(texts: Texts) -> None:
    """Log each text as event, value, library's message, warning and exception; each must be one line."""
    for style in ("json", "console"):
        # A warning is told once per place and text: the number keeps them apart.
        given = json.dumps([f"{i} {text}" for i, text in enumerate(TEXTS)])
        child = subprocess.run(
            [sys.executable, "-W", "always", "-c", _LOGGER, style],
            input=given.encode(),
            capture_output=True,
            check=False,
        )
        told = child.stderr.decode("utf-8", "replace")
        texts.shown += len(TEXTS) * _EVENTS
        lines = [line for line in told.split("\n") if line and not line.startswith("    | ")]
        if child.returncode or len(lines) != len(TEXTS) * _EVENTS:
            texts.defects.append(
                f"{style}: {len(lines)} lines for {len(TEXTS) * _EVENTS} events; {told[-300:]!r}"
            )
        acted = sorted(
            {repr(c) for c in told if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"}
        )
        if acted:
            texts.defects.append(f"{style} log: {', '.join(acted)}")
        if style == "json":
            texts.defects += [f"json log: no JSON: {line[:100]!r}" for line in lines if not _is_event(line)]
        elif not all(re.match(r"\d{4}-\d\d-\d\dT\S+ \[\w+ *\] ", line) for line in lines):
            texts.defects.append("console log: a line that is no event")


def _is_event(line: str) -> bool:
    try:
        return "event" in json.loads(line)
    except ValueError:
        return False
