from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cli.logs import configure_logs
from monitor.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.cli.redaction import Redaction

STYLES = ("json", "console")
SECRET = "s3cr3t-value-of-a-vault"  # noqa: S105 - of a test
NASTY = (
    "two\nlines",
    "\r\n2026-03-01T12:00:00Z [info    ] all quiet",
    "\x1b[2J\x1b[31mred",
    "\x00\x07\x08\x7f\x9b",
    "line\u2028paragraph\u2029next\x85",
    "\u202egnp.exe\u202c",
    "\ud800",
    '{"event": "forged", "level": "info"}',
    '"}\n{"event": "forged"}',
    "%s %d %(name)s {} {0}",
    "",
    " ",
    "=",
    "ключ 鍵 🔑",
    "a" * 1_000_000,
)
texts = st.text(st.characters(codec=None), max_size=80) | st.sampled_from(NASTY)  # lone surrogates included


class Log:
    """A configured log whose lines a test reads."""

    def __init__(self, style: str, level: str = "info", secrets: tuple[str, ...] = ()) -> None:
        self._stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", newline="")
        sys.stderr = self._stream
        logging.getLogger().handlers[:] = []  # pytest's own would write the values out as they are
        self.redaction: Redaction = configure_logs(style, level, secrets)
        self.say: Any = structlog.get_logger("driftmon")

    def text(self) -> str:
        self._stream.flush()
        raw = self._stream.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode("utf-8")

    def lines(self) -> list[str]:
        """Lines as the strictest reader splits them: at everything that Unicode calls a line's end."""
        return self.text().splitlines()

    def event(self) -> dict[str, Any]:
        (line,) = self.lines()
        event = json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
        assert isinstance(event, dict)
        return event


@pytest.fixture
def start() -> Iterator[Callable[..., Log]]:
    """Configure the log, as often as a test likes; everything is as before when it ends."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    names = (None, "driftmon", "monitor", "apscheduler")
    levels = [logging.getLogger(name).level for name in names]
    handlers, stderr, config = root.handlers[:], sys.stderr, structlog.get_config()
    with warnings.catch_warnings():
        yield Log
        logging.captureWarnings(capture=False)
    structlog.configure(**config)
    root.handlers[:], sys.stderr = handlers, stderr
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="module")
def shared() -> Iterator[None]:
    """For properties: one `start` for all examples would keep its lines, so each makes its own `Log`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("excepthook", "unraisablehook", "stderr"):
            patch.setattr(sys, name, getattr(sys, name))
        patch.setattr(threading, "excepthook", threading.excepthook)
        root, config = logging.getLogger(), structlog.get_config()
        handlers, level = root.handlers[:], root.level
        yield
        structlog.configure(**config)
        logging.captureWarnings(capture=False)
        root.handlers[:], root.level = handlers, level


def raise_in(log: Log, error: Exception) -> None:
    try:
        raise error  # noqa: TRY301 - the exception is what is tested
    except Exception:  # noqa: BLE001 - likewise
        log.say.exception("it failed")


def is_harmless(line: str) -> bool:
    return all(character.isprintable() for character in line)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=150, deadline=None)
@given(
    event=texts, key=texts, value=st.recursive(texts, lambda inner: st.lists(inner, max_size=3)), more=texts
)
def test_one_event_is_one_line_whatever_is_in_it(
    shared: None, style: str, event: str, key: str, value: object, more: str
) -> None:
    log = Log(style)
    log.say.info(event, **{f"k{key}": value, "nested": {more: [value, (more,)]}})
    (line,) = log.lines()
    assert is_harmless(line)
    assert log.text() == f"{line}\n"
    if style == "json":
        found = json.loads(line)
        assert found["event"] == event or len(event) > 10_000
        assert found["level"] == "info"
        assert line.isascii()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_nothing_nasty_gets_through(start: Callable[..., Log], style: str, text: str) -> None:
    log = start(style)
    log.say.info(text, value=text, **{f"k{text}": {text: [text]}})
    logging.getLogger("library").warning("%s", text)
    raise_in(log, ValueError(text))
    lines = [line for line in log.lines() if not line.startswith("    | ")]
    assert len(lines) == 3
    assert all(is_harmless(line) for line in log.lines())


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=100, deadline=None)
@given(message=texts, name=texts.filter(lambda name: len(name) < 100))
def test_one_record_of_a_library_is_one_line_whatever_is_in_it(
    shared: None, style: str, message: str, name: str
) -> None:
    log = Log(style)
    logging.Logger.manager.getLogger("library").warning("%s of %r", message, name)
    (line,) = log.lines()
    assert is_harmless(line)
    assert "library" in line


@settings(max_examples=100, deadline=None)
@given(message=texts)
def test_an_exception_stands_on_the_line_of_its_event(shared: None, message: str) -> None:
    log = Log("json")
    raise_in(log, ValueError(message))
    event = log.event()
    assert event["exception"][0]["exc_type"] == "ValueError"
    assert event["exception"][0]["exc_value"][:100] == message[:100]


@settings(max_examples=100, deadline=None)
@given(message=texts)
def test_no_line_of_a_traceback_passes_for_an_event(shared: None, message: str) -> None:
    log = Log("console")
    raise_in(log, ValueError(message))
    first, *others = log.lines()
    assert first.endswith("it failed")
    assert others
    assert all(line.startswith("    | ") and is_harmless(line) for line in others)


def test_json_has_time_level_logger_and_what_is_bound(start: Callable[..., Log]) -> None:
    log = start("json")
    with structlog.contextvars.bound_contextvars(collection="docs", window="2026-03-01T12:00Z"):
        log.say.warning("window failed", attempt=1)
    event = log.event()
    at = datetime.fromisoformat(event.pop("timestamp"))
    assert at.utcoffset() is not None
    assert abs((datetime.now(at.tzinfo) - at).total_seconds()) < 60
    assert event == {
        "event": "window failed",
        "level": "warning",
        "logger": "driftmon",
        "collection": "docs",
        "window": "2026-03-01T12:00Z",
        "attempt": 1,
    }


@pytest.mark.parametrize("style", STYLES)
def test_a_library_in_a_worker_carries_collection_and_window(start: Callable[..., Log], style: str) -> None:
    log = start(style)
    with structlog.contextvars.bound_contextvars(collection="docs", window="w7"):
        for name in ("sqlalchemy.pool", "alembic", "uvicorn.error", "py.warnings"):
            logging.getLogger(name).error("the %s is exhausted", "pool")
    lines = log.lines()
    assert len(lines) == 4
    for name, line in zip(("sqlalchemy.pool", "alembic", "uvicorn.error", "py.warnings"), lines, strict=True):
        assert all(word in line for word in (name, "the pool is exhausted", "docs", "w7", "error"))


def test_libraries_speak_up_only_for_warnings(start: Callable[..., Log]) -> None:
    log = start("json", "debug")
    for name in ("sqlalchemy.engine", "httpx", "apscheduler.scheduler"):
        logging.getLogger(name).info("chatter")
    logging.getLogger("apscheduler.scheduler").warning("skipped: maximum number of running instances reached")
    assert log.lines() == []
    logging.getLogger("apscheduler.scheduler").error("job raised")
    log.say.debug("planned")
    assert [json.loads(line)["event"] for line in log.lines()] == ["job raised", "planned"]


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_the_least_that_is_shown(start: Callable[..., Log], level: str, count: int) -> None:
    log = start("json", level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log.say, name)(name)
    assert [json.loads(line)["level"] for line in log.lines()] == ["debug", "info", "warning", "error"][
        -count:
    ]


def test_configured_again_it_does_not_say_everything_twice(start: Callable[..., Log]) -> None:
    start("console")
    log = start("json")
    logging.getLogger("library").warning("once")
    assert log.event()["event"] == "once"


def test_a_python_warning_is_an_event(start: Callable[..., Log]) -> None:
    log = start("json")
    warnings.simplefilter("always")
    warnings.warn("old\nway", UserWarning, stacklevel=1)
    assert "old\nway" in log.event()["event"]
    assert log.event()["logger"] == "py.warnings"


def test_a_record_that_cannot_be_formatted_is_still_one_line(start: Callable[..., Log]) -> None:
    log = start("json")
    logging.getLogger("library").warning("%d items", SECRET)
    event = log.event()
    assert (event["logger"], event["error"]) == ("library", "TypeError")


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize("style", STYLES)
def test_no_value_takes_its_event_with_it(start: Callable[..., Log], style: str) -> None:
    endless: list[Any] = []
    endless.append(endless)
    values = {
        "broken": Broken(),
        "endless": endless,
        "nan": float("nan"),
        "infinite": float("inf"),
        "huge": 10**6000,
        "bytes": b"\x00\xff\n",
        "error": ValueError("a\nb"),
        "deep": {"a": {Broken(): {1: {None: {"x"}}}}},
        "at": datetime(2026, 3, 1),  # noqa: DTZ001 - whatever a caller gives
    }
    log = start(style)
    log.say.info("values", **values)
    (line,) = log.lines()
    assert is_harmless(line)
    if style == "json":
        event = log.event()
        assert (event["nan"], event["infinite"]) == ("nan", "inf")
        assert event["broken"] == "<Broken that cannot be written>"
        assert event["at"] == "2026-03-01T00:00:00"


def test_plain_text_has_no_colour_off_a_terminal(start: Callable[..., Log]) -> None:
    log = start("console")
    log.say.warning("window failed", collection="docs", attempt=1, error="the store is away")
    (line,) = log.lines()
    assert line.endswith("Z [warning ] window failed collection=docs attempt=1 error='the store is away'")


def test_an_expected_error_has_a_sentence_in_plain_text_and_no_traceback(start: Callable[..., Log]) -> None:
    log = start("console")
    raise_in(log, EdgeError("the index does not answer: check its address"))
    (line,) = log.lines()
    assert line.endswith("it failed error='the index does not answer: check its address'")


@pytest.mark.parametrize("style", STYLES)
def test_tracebacks_tell_places_and_never_the_values_of_variables(
    start: Callable[..., Log], style: str
) -> None:
    def inner(password: str) -> None:
        request = {"authorization": password}
        raise RuntimeError(f"failed with {len(request)} header")

    log = start(style)
    try:
        try:
            inner("not-known-to-be-secret")
        except RuntimeError as error:
            raise ValueError("outer") from error
    except ValueError:
        log.say.exception("tick failed")
    text = log.text()
    assert all(
        word in text for word in ("RuntimeError", "failed with 1 header", "outer", "inner", "test_logs.py")
    )
    assert "not-known-to-be-secret" not in text.replace('inner("not-known-to-be-secret")', "")
    assert "locals" not in text


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "say",
    [
        lambda log: log.say.info(f"with {SECRET} inside"),
        lambda log: log.say.info("event", value=SECRET),
        lambda log: log.say.info("event", **{SECRET: 1}),
        lambda log: log.say.info("event", value={"a": [{SECRET: (f"x{SECRET}y",)}]}),
        lambda log: log.say.info("event", value=ValueError(SECRET)),
        lambda log: log.say.info("event", value=SECRET.encode()),
        lambda _: logging.getLogger("library").warning("with %s", SECRET),
        lambda _: logging.getLogger(SECRET).warning("name"),
        lambda log: raise_in(log, ValueError(SECRET)),
        lambda log: raise_in(log, KeyError(SECRET)),
        lambda log: raise_in(log, EdgeError(f"with {SECRET}")),
        lambda _: sys.excepthook(ValueError, ValueError(SECRET), None),
        lambda log: log.say.info("event", stack_info=f"at {SECRET}"),
        lambda log: structlog.contextvars.bind_contextvars(value=SECRET) and log.say.info("event"),
    ],
)
def test_a_known_secret_is_shown_nowhere(
    start: Callable[..., Log], style: str, say: Callable[[Log], None]
) -> None:
    log = start(style, "info", (SECRET,))
    try:
        say(log)
    finally:
        structlog.contextvars.clear_contextvars()
    assert SECRET not in log.text()
    assert "***" in log.text()


@pytest.mark.parametrize("style", STYLES)
def test_a_url_shows_its_place_and_not_its_password(start: Callable[..., Log], style: str) -> None:
    log = start(style)
    url = "postgresql+psycopg://monitor:hunter2@db.example.com:5432/driftmon?sslmode=require"
    log.say.info(f"cannot reach {url}", nested=[{"url": url}], place="http://127.0.0.1:9464/metrics")
    raise_in(log, ValueError(f"could not connect to {url}"))
    logging.getLogger("sqlalchemy").warning("lost %s", url)
    text = log.text()
    assert "hunter2" not in text
    assert text.count("postgresql+psycopg://monitor:***@db.example.com:5432/driftmon?sslmode=require") >= 4
    assert "http://127.0.0.1:9464/metrics" in text


def test_what_a_reload_brings_is_hidden_from_then_on(start: Callable[..., Log]) -> None:
    log = start("json", "info", (SECRET,))
    log.say.info("before", value="fresh-secret")
    log.redaction.learn(["fresh-secret"])
    log.say.info("after", value="fresh-secret", old=SECRET)
    before, after = (json.loads(line) for line in log.lines())
    assert (before["value"], after["value"], after["old"]) == ("fresh-secret", "***", "***")


def test_a_thread_that_breaks_is_one_event(start: Callable[..., Log]) -> None:
    log = start("json", "info", (SECRET,))

    def fail() -> None:
        raise RuntimeError(f"two\nlines with {SECRET}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    event = log.event()
    assert (event["event"], event["level"]) == ("unexpected defect", "critical")
    assert event["exception"][0]["exc_value"] == "two\nlines with ***"


def test_lines_of_many_threads_do_not_mix(start: Callable[..., Log]) -> None:
    log = start("json")

    def say(number: int) -> None:
        for i in range(200):
            log.say.info("event", number=number, i=i, text="x" * 500)

    threads = [threading.Thread(target=say, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = {(event["number"], event["i"]) for event in map(json.loads, log.lines())}
    assert len(seen) == 1600


SCRIPT = """
import logging, sys
import structlog
from monitor.cli.logs import configure_logs
configure_logs(sys.argv[1], "warning", ["hunter2-hunter2"])
log = structlog.get_logger("driftmon")
log.info("too low")
log.warning("window failed", collection="docs", attempt=1)
logging.getLogger("other").warning("of a library")
secret = "hunter2-hunter2"
raise ValueError("bad " + secret)
"""


def _log(style: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, style], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()


def test_a_whole_process_writes_json_and_nothing_else_to_standard_error() -> None:
    first, library, failure = map(json.loads, _log("json"))
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "window failed",
        "level": "warning",
        "logger": "driftmon",
        "collection": "docs",
        "attempt": 1,
    }
    assert (library["event"], library["logger"]) == ("of a library", "other")
    assert failure["exception"][0]["exc_value"] == "bad ***"


def test_a_whole_process_writes_plain_text() -> None:
    first, library, failure, *trace = _log("console")
    assert first.endswith("[warning ] window failed collection=docs attempt=1")
    assert library.endswith("[warning ] of a library logger=other")
    assert failure.endswith("[critical] unexpected defect")
    assert trace[-1] == "    | ValueError: bad ***"


def test_an_unknown_level_never_gets_here() -> None:
    from monitor.config import LogConfig

    with pytest.raises(ValueError, match="level"):
        LogConfig(level="loud")  # type: ignore[arg-type]
