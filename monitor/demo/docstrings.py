"""Collecting the standard library's documentation strings: first sentence as the question, the rest as the document."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

SKIPPED = frozenset({"antigravity", "this", "idlelib", "turtledemo", "test", "turtle", "ensurepip"})
QUESTION = range(15, 201)
"""Length of a question in characters."""
LEAST_DOCUMENT = 40
MOST_DOCUMENT = 1200
_SIGNATURE = re.compile(r"^[\w.]+\([^)]*\)\s*(->\s*[^\n.]*)?\s*(--)?\s*$")
_SENTENCE_END = re.compile(r"(?<![A-Z])(?<!\be\.g)(?<!\bi\.e)(?<!\betc)[.!?](?=\s|$)")

AREAS: dict[str, str] = {
    "concurrency": "asyncio concurrent threading multiprocessing queue sched selectors contextvars signal",
    "networking": "socket socketserver ssl ftplib telnetlib asyncore asynchat ipaddress select",
    "web": "http urllib html cgi cgitb wsgiref webbrowser xmlrpc",
    "mail": "email smtplib smtpd imaplib poplib nntplib mailbox mailcap mimetypes",
    "data formats": "json csv xml plistlib configparser tomllib netrc pickle pickletools shelve marshal",
    "archives": "zipfile tarfile gzip bz2 lzma zlib zipimport zipapp shutil",
    "text": "string re difflib textwrap unicodedata codecs locale gettext encodings pprint reprlib",
    "files": "os io pathlib tempfile glob fnmatch fileinput filecmp stat linecache mmap fcntl",
    "numbers": "math cmath decimal fractions random statistics numbers array struct operator",
    "time": "datetime calendar time zoneinfo timeit",
    "containers": "collections heapq bisect weakref enum dataclasses copy itertools functools graphlib",
    "testing": "unittest doctest pdb bdb trace tracemalloc profile cProfile pstats faulthandler",
    "language": "ast dis inspect tokenize symtable compileall code codeop importlib pkgutil runpy typing",
    "screens": "tkinter curses colorsys audioop wave sunau aifc",
    "basics": "builtins abc atexit contextlib warnings traceback gc types",
    "building": "lib2to3 distutils venv sysconfig site modulefinder pydoc",
    "system": "logging argparse optparse getopt subprocess sys platform resource readline cmd ctypes",
}
OTHER = "everything else"


@dataclass(frozen=True, slots=True)
class Documented:
    """One documented thing of the standard library."""

    id: str
    module: str
    area: str
    query: str
    text: str


def area_of(module: str) -> str:
    """Return the topic area of a top-level module."""
    return next((area for area, modules in AREAS.items() if module in modules.split()), OTHER)


def split_docstring(text: str) -> tuple[str, str] | None:
    """Return first sentence and rest of a documentation string, or None when either is unfit.

    Signature lines in front are left out, white space is collapsed, and a rest that repeats the sentence is refused.
    """
    lines = inspect.cleandoc(text).splitlines()
    while lines and (not lines[0].strip() or _SIGNATURE.match(lines[0].strip()) or lines[0].strip() == "--"):
        lines.pop(0)
    body = " ".join(" ".join(lines).split())
    end = _SENTENCE_END.search(body)
    if end is None:
        return None
    question, rest = body[: end.end()].strip(), body[end.end() :].strip()[:MOST_DOCUMENT]
    if (
        len(question) not in QUESTION
        or len(question.split()) < 4
        or len(rest) < LEAST_DOCUMENT
        or len(rest.split()) < 8
    ):
        return None
    if question.lower().rstrip(".!?") in rest.lower() or not (question + rest).isprintable():
        return None
    return question, rest


def collect() -> list[Documented]:
    """Return the running interpreter's documented things, sorted by id, each text and each question once."""
    found: dict[str, Documented] = {}
    texts: set[str] = set()
    questions: set[str] = set()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for module in modules():
            top = module.__name__.split(".")[0]
            for identifier, text in docstrings(module):
                parts = split_docstring(text)
                if identifier in found or parts is None or parts[1] in texts or parts[0].lower() in questions:
                    continue
                texts.add(parts[1])
                questions.add(parts[0].lower())
                found[identifier] = Documented(identifier, top, area_of(top), *parts)
    return [found[identifier] for identifier in sorted(found)]


def modules() -> Iterator[ModuleType]:
    """Yield every public module of the standard library that can be imported here."""
    for name in sorted(sys.stdlib_module_names):
        if name.startswith("_") or name in SKIPPED:
            continue
        top = _import(name)
        if top is None:
            continue
        yield top
        for info in pkgutil.walk_packages(getattr(top, "__path__", []), f"{name}.", onerror=lambda _: None):
            parts = info.name.split(".")
            if any(p.startswith("_") or p in ("test", "tests", "idle_test") for p in parts):
                continue
            module = _import(info.name)
            if module is not None:
                yield module


def _import(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, AttributeError, SystemExit):
        return None  # another platform's module


def docstrings(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield dotted names and documentation strings of a module and its own things, one level of classes deep."""
    if isinstance(module.__doc__, str):
        yield module.__name__, module.__doc__
    for name, thing in sorted(vars(module).items()):
        if name.startswith("__") or inspect.ismodule(thing) or not _belongs(thing, module):
            continue
        if isinstance(thing.__doc__, str) and (inspect.isclass(thing) or callable(thing)):
            yield f"{module.__name__}.{name}", thing.__doc__
        if inspect.isclass(thing):
            for attribute, value in sorted(vars(thing).items()):
                text = getattr(value, "__doc__", None)
                if not attribute.startswith("__") and isinstance(text, str):
                    yield f"{module.__name__}.{name}.{attribute}", text


def _belongs(thing: object, module: ModuleType) -> bool:
    """Return whether a thing is the module's own, or of the C module behind it, rather than imported from elsewhere."""
    own = str(getattr(thing, "__module__", None) or module.__name__).split(".")[0].lstrip("_")
    return {"posix": "os", "nt": "os"}.get(own, own) == module.__name__.split(".")[0].lstrip("_")
