"""The daemon's log: one event per line whatever is in it, JSON for machines or plain text for people."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterable, MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from monitor.cli.redaction import Redaction, redact
from monitor.errors import DriftmonError

OURS = "driftmon"
"""The logger of our own events; all others are libraries."""
_FRAMES = 30
_COLOURS = {"debug": 36, "info": 32, "warning": 33, "error": 31, "critical": 31}
_BARE = re.compile(r"""[^\s"'=\\]+""")
_describe = ExceptionDictTransformer(show_locals=False, max_frames=_FRAMES)  # locals hold secrets

Event = MutableMapping[str, Any]


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to standard error; a record that cannot be written is itself one line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        error = sys.exc_info()[0]
        if error is None or issubclass(error, OSError):
            return  # nobody reads standard error any more; the daemon's work goes on
        told = {"event": "log record cannot be written", "logger": record.name, "error": error.__name__}
        self.stream.write(json.dumps({**told, "level": "error"}) + self.terminator)


def configure_logs(style: str, level: str, secrets: Iterable[str] = ()) -> Redaction:
    """Send structlog's events, and the warnings of libraries, to standard error without ``secrets``.

    Returns what hides them: it may `learn` more when the configuration is read again.
    """
    redaction = redact(secrets)
    number = getattr(logging, level.upper())
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = _Handler(sys.stderr)
    end = [redaction, _render_json] if style == "json" else _console(redaction, colours=sys.stderr.isatty())
    exception = _tell_exception if style == "json" else _tell_defect
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=[_name, exception, *end])
    )
    root = logging.getLogger()
    for old in root.handlers:
        if isinstance(old, _Handler):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(number, logging.WARNING))
    for ours in (OURS, "monitor"):
        logging.getLogger(ours).setLevel(number)
    # A tick that still works through a backlog is no news; the scheduler would tell so every few seconds.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    _catch_the_uncaught()
    return redaction


def _catch_the_uncaught() -> None:
    """Log what would otherwise be printed as it is, line by line, with whatever its text holds."""
    log = structlog.get_logger(OURS)

    def tell(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt | SystemExit):
            log.critical("unexpected defect", exc_info=(kind, error, trace))

    sys.excepthook = tell
    threading.excepthook = lambda args: tell(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: tell(args.exc_type, args.exc_value, args.exc_traceback)


def _name(_: Any, __: str, event: Event) -> Event:
    """Say whose event it is, and drop what only the formatter needed."""
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog", None)
    return {**event, "logger": record.name}


def _error(event: Event) -> BaseException | None:
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = given[1]
    elif given and not isinstance(given, BaseException):
        given = sys.exc_info()[1]
    return given if isinstance(given, BaseException) else None


def _tell_exception(_: Any, __: str, event: Event) -> Event:
    """Put an exception into the event as data: types, texts and places, never the values of variables."""
    if (error := _error(event)) is not None:
        event["exception"] = _describe((type(error), error, error.__traceback__))
    return event


def _tell_defect(_: Any, __: str, event: Event) -> Event:
    """Give an expected error its sentence, and an unexpected one its traceback."""
    error = _error(event)
    if isinstance(error, DriftmonError):
        event.setdefault("error", str(error))
    elif error is not None:
        event["exception"] = "".join(traceback.format_exception(error, limit=-_FRAMES))
    return event


def _render_json(_: Any, __: str, event: Event) -> str:
    # Printable ASCII only: no control character, no separator of paragraphs, no change of direction.
    return json.dumps(event, allow_nan=False, ensure_ascii=True)


def _console(redaction: Redaction, *, colours: bool) -> list[Any]:
    def render(_: Any, __: str, event: Event) -> str:
        trace = [line for key in ("exception", "stack_info") for line in str(event.pop(key, "")).splitlines()]
        level = str(event.pop("level", ""))
        shown = f"{level:<8}"
        if colours:
            shown = f"\x1b[{_COLOURS.get(level, 0)}m{shown}\x1b[0m"
        if event.get("logger") == OURS:
            del event["logger"]
        head = f"{_escape(str(event.pop('timestamp', '')))} [{shown}] {_escape(str(event.pop('event', '')))}"
        values = [f"{_bare(key)}={_bare(value)}" for key, value in event.items()]
        # Indented behind a bar, so that no text of an exception can pass for an event.
        return "\n".join([" ".join([head, *values]), *(f"    | {_escape(line)}" for line in trace)])

    return [redaction, render]


def _bare(value: Any) -> str:
    if isinstance(value, str) and not (value.isprintable() and _BARE.fullmatch(value)):
        return repr(value)
    return str(value)  # of a list or a map: its texts are written as by repr


def _escape(text: str) -> str:
    """Write what a terminal or a reader of lines would act on as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
