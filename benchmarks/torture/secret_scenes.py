"""Configurations with a secret in every place, each with one thing wrong around it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from benchmarks.torture.secret_forms import PLAIN, SECRETS

STORE, LOG = "sqlite:///driftmon.db", "sqlite:///driftmon-example/log.db"
INDEX = "{type: memory, path: driftmon-example/index.npz}"
OPTIONS = (
    "connect_timeout", "sslmode", "options", "keepalives", "sslkey", "passfile", "service", "sslpassword",
    "target_session_attrs", "require_auth", "channel_binding", "client_encoding", "prepare_threshold", "plugin",
    "swordfish",
)  # fmt: skip
_RUNNING = ("a server that tells", "nobody listens", "the driver raises")


@dataclass(frozen=True)
class Scene:
    """A configuration, the environment that it needs, and what is wrong with it."""

    name: str
    config: str
    environment: dict[str, str] = field(default_factory=dict)
    broken_driver: bool = False
    runs: bool = False
    """Whether the daemon comes up at all, so that it is worth watching for some seconds."""


def make_config(database: str = STORE, source: str = LOG, index: str = INDEX) -> str:
    """Return a driftmon.yaml with these edges."""
    return f"""\
database: {json.dumps(database)}
log: {{level: debug, format: json}}
web: {{listen: "127.0.0.1:0", requests_per_second: 1000}}
collections:
  docs:
    window: 1h
    lateness: 0s
    sample_size: 200
    source: {{type: sql, url: {json.dumps(source)}, table: retrieval_log, vector_dtype: float16, timeout: 2,
             columns: {{id: id, at: created_at, text: query, vector: embedding, hits: results}}}}
    index: {index}
"""


def every_scene(telltale: int, server: str | None) -> Iterator[Scene]:
    """Yield each place with each thing that can be wrong with it, the other places sound."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    for place in ("database", "source", "index"):
        name = f"RAG_{place.upper()}_URL"
        for wrong, url in _wrong_urls(place, telltale, nobody):
            broken, runs = wrong == "the driver raises", wrong in _RUNNING
            yield Scene(f"{place}: {wrong}", _place(place, url), broken_driver=broken, runs=runs)
            if "\0" not in url:  # no environment holds that
                config = _place(place, f"${{{name}}}")
                yield Scene(f"{place} by the environment: {wrong}", config, {name: url}, broken_driver=broken)
    yield from _wrong_shapes()
    yield from _wrong_variables()
    if server is not None:
        urls = [_sound(server, place) for place in ("database", "source", "index")]
        yield Scene(
            "all is sound on PostgreSQL", make_config(urls[0], urls[1], _pgvector(urls[2])), runs=True
        )


def _place(place: str, url: str) -> str:
    return make_config(**{place: _pgvector(url) if place == "index" else url})


def _pgvector(url: str) -> str:
    return f"{{type: pgvector, url: {json.dumps(url)}, table: chunks, timeout: 2}}"


def make_url(place: str, host: str, *, plain: bool = False, option: str = "application_name") -> str:
    """Return a PostgreSQL URL with the place's secrets as user, password and option."""
    secrets = PLAIN if plain else SECRETS
    user, password, value = (
        quote(secrets[f"{place} {part}"], safe="") for part in ("user", "password", "query")
    )
    return f"postgresql+psycopg://{user}:{password}@{host}/rag?{option}={value}"


def _wrong_urls(place: str, telltale: int, nobody: int) -> Iterator[tuple[str, str]]:
    user, password, query = (PLAIN[f"{place} {part}"] for part in ("user", "password", "query"))
    yield "a server that tells", make_url(place, f"127.0.0.1:{telltale}")
    yield "a server that tells, plain secrets", make_url(place, f"127.0.0.1:{telltale}", plain=True)
    yield "nobody listens", make_url(place, f"127.0.0.1:{nobody}")
    yield "the driver raises", make_url(place, f"127.0.0.1:{nobody}")
    yield "a port that is no number", make_url(place, "127.0.0.1:port")
    yield "a port too large", make_url(place, "127.0.0.1:99999")
    yield "two hosts", make_url(place, f"127.0.0.1:{nobody},127.0.0.1:{nobody}")
    yield "an open bracket", make_url(place, "[::1")
    for option in OPTIONS:
        yield f"option {option}", make_url(place, f"127.0.0.1:{nobody}", option=option)
    at = f"127.0.0.1:{nobody}/rag"
    yield "signs that want encoding", f"postgresql://{user}:{password}/@{password}#?@{at}"
    yield "two @", f"postgresql://{user}:{password}@{password}@{at}"
    yield "an @ and a slash", f"postgresql://{user}:{password}@/{password}@{at}"
    yield "a percent sign", f"postgresql://{user}:%zz{password}%@{at}"
    yield "no scheme", f"{user}:{password}@127.0.0.1/rag"
    yield "nothing but a secret", password
    yield "another engine", f"mysql://{user}:{password}@127.0.0.1/rag?ssl_key={query}"
    yield "an unknown engine", f"oracle://{user}:{password}@127.0.0.1/rag?key={query}"
    yield "an unknown driver", f"postgresql+asyncpg://{user}:{password}@127.0.0.1/rag"
    yield "http", f"http://{user}:{password}@127.0.0.1/rag?token={query}"
    yield "SQLite with a password", f"sqlite://{user}:{password}@127.0.0.1/rag.db?key={query}"
    yield "SQLite with an option", f"sqlite:///nowhere.db?timeout={query}"
    yield "SQLite that is there with an option", f"sqlite:///driftmon-example/log.db?timeout={query}"
    yield "SQLite's file: with a key", f"sqlite:///file:nowhere.db?mode=ro&uri=true&key={query}"
    yield "NUL inside", f"postgresql://{user}:{password}\0@127.0.0.1/rag"
    yield "a line break inside", f"postgresql://{user}:{password}\n@{at}"
    yield "half a surrogate", f"postgresql://{user}:{password}%ED%A0%80@{at}"


def _wrong_shapes() -> Iterator[Scene]:
    """Yield configurations whose very shape is wrong around a secret."""
    sound = make_config()
    option, endpoint = json.dumps(SECRETS["option"]), PLAIN["endpoint"]
    url, log, store = (
        json.dumps(make_url("source", "127.0.0.1:1")),
        f"url: {json.dumps(LOG)}",
        f"database: {json.dumps(STORE)}",
    )
    yield Scene("all is sound on SQLite", sound, runs=True)
    for name, old, new in (
        ("a mistyped key", "table:", "tabel:"),
        ("a mistyped url", log, f"ulr: {url}"),
        ("a url twice", log, f"url: {url}, url: {url}"),
        ("a url that is a list", log, f"url: [{url}]"),
        ("a url that is a mapping", log, f"url: {{password: {option}}}"),
        ("url and url_file", log, f"url: {url}, url_file: token"),
        ("a source that is a text", "source: {", f"source: {option}\n    other: {{"),
        ("an unknown plug-in's password", "type: memory,", f"type: shop, password: {option},"),
        ("an unknown option of a plug-in", "type: memory,", f"type: memory, api_key: {option},"),
        ("broken YAML", log, f"url: {url}]"),
        ("a quote that never ends", log, f"url: {url[:-1]}"),
        ("a tab", log, f"\turl: {url}"),
        ("a database that is a mapping", store, f"database: {{password: {option}}}"),
        ("a database that is a list", store, f"database: [{option}]"),
        ("a token that is a mapping", "web: {", f"web: {{token: {option}, "),
        ("a notifier", "log: {", f'notify: [{{type: webhook, url: "https://x/{PLAIN["option"]}"}}]\nlog: {{'),
        (
            "an endpoint with a password",
            "log: {",
            f'tracing: {{endpoint: "http://u:{endpoint}@127.0.0.1:1/v1"}}\nlog: {{',
        ),
        (
            "an endpoint of another kind",
            "log: {",
            f'tracing: {{endpoint: "ftp://u:{endpoint}@127.0.0.1:1/v1"}}\nlog: {{',
        ),
    ):
        if old not in sound:
            raise ValueError(f"{name}: {old!r} is not in the configuration")
        yield Scene(name, sound.replace(old, new, 1), runs="endpoint with" in name)


def _wrong_variables() -> Iterator[Scene]:
    """Yield configurations that take a secret from where it does not fit."""
    sound, secret = make_config(), SECRETS["option"]
    variable = sound.replace(json.dumps(LOG), '"${RAG_URL}"')
    yield Scene("a secret from a file", variable, {"RAG_URL_FILE": "secret-url"}, runs=True)
    yield Scene("a file that is not there", variable, {"RAG_URL_FILE": "nowhere"})
    yield Scene("the secret where its file's name belongs", variable, {"RAG_URL_FILE": secret})
    for name, old, new in (
        ("a duration", "lateness: 0s", 'lateness: "${RAG_KEY}"'),
        ("a number", "sample_size: 200", 'sample_size: "${RAG_KEY}"'),
        ("a choice", "level: debug", 'level: "${RAG_KEY}"'),
        ("an address", '"127.0.0.1:0"', '"${RAG_KEY}"'),
    ):
        yield Scene(f"a key from the environment as {name}", sound.replace(old, new, 1), {"RAG_KEY": secret})
    yield Scene("a token", sound.replace("web: {", "web: {token_file: token, "), runs=True)


def _sound(server: str, place: str) -> str:
    """Return the test server's URL with secrets: it trusts whoever comes."""
    from sqlalchemy.engine import make_url as parse

    url = parse(server)
    query = {**url.query, "application_name": "driftmon", "sslpassword": SECRETS[f"{place} query"]}
    return url.set(password=SECRETS[f"{place} password"], query=query).render_as_string(hide_password=False)
