from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import (
    CollectionConfig,
    Config,
    DeliveryConfig,
    LinksConfig,
    LogConfig,
    MetricsConfig,
    NotifyConfig,
    RetentionConfig,
    TracingConfig,
    WebConfig,
    anchor,
    expand,
    load_config,
    parse_config,
    parse_duration,
)
from monitor.errors import ConfigError

SECRET = "s3cr3t-word"  # noqa: S105 it must be found nowhere
URL = f"postgresql://someone:{SECRET}@db/rag"
LEAST: dict[str, Any] = {"collections": {"docs": {"source": {"type": "file", "path": "log.jsonl"}}}}


def write(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "driftmon.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    return path


def with_collection(**settings: Any) -> dict[str, Any]:
    return {"collections": {"docs": {**LEAST["collections"]["docs"], **settings}}}


def refused(tmp_path: Path, data: Any, environment: dict[str, str] | None = None) -> str:
    path = write(tmp_path, data)
    with pytest.raises(ConfigError) as error:
        load_config(path, environment or {})
    text = str(error.value)
    assert SECRET not in text
    assert all(line.startswith(f"{path}: ") for line in text.splitlines()) or environment is not None
    return text


def test_little_is_needed_and_the_rest_has_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, LEAST), {})
    docs = config.collections["docs"]
    assert (docs.window, docs.lateness) == (timedelta(minutes=15), timedelta(minutes=2))
    assert (docs.k, docs.metric, docs.scores, docs.sample_size) == (10, "cosine", "similarity", 1000)
    assert (config.budget.false_pages, config.budget.per) == (1.0, timedelta(days=90))
    assert config.web.address == ("127.0.0.1", 9464)


def test_the_example_of_the_design_is_read(tmp_path: Path) -> None:
    text = """
database: sqlite:///driftmon.db
budget: {false_pages: 1, per: 90d}
collections:
  support-docs:
    window: 15m
    source:   {type: sql, url: "${RAG_LOG_URL}", table: retrieval_log, columns: {id: id, text: query}}
    embedder: {type: sentence-transformers, model: some/model, query_prompt: "Represent: "}
    index:    {type: pgvector, url: "${RAG_DB_URL}", table: chunks}
    suite:    suites/support-docs.jsonl
"""
    config = load_config(write(tmp_path, text), {"RAG_LOG_URL": URL, "RAG_DB_URL": f"{URL}2"})
    docs = config.collections["support-docs"]
    assert docs.source["url"] == URL
    assert docs.index is not None
    assert docs.index["url"] == f"{URL}2"
    assert docs.suite == Path("suites/support-docs.jsonl")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30s", timedelta(seconds=30)),
        (" 15 m ", timedelta(minutes=15)),
        ("1.5h", timedelta(minutes=90)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(weeks=2)),
        (timedelta(hours=1), timedelta(hours=1)),
    ],
)
def test_durations_have_a_unit(text: Any, value: timedelta) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize(
    "bad", ["15", 15, 1.5, True, "m", "-5m", "15 minutes", "1h30m", "9" * 30 + "d", None, "PT5M"]
)
def test_what_is_no_duration_is_refused(tmp_path: Path, bad: Any) -> None:
    assert "collections.docs.window: a duration is a number and a unit, such as 30s" in refused(
        tmp_path, with_collection(window=bad)
    )


@given(st.text(max_size=10))
def test_no_text_crashes_the_reading_of_durations(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError:
        return
    assert isinstance(duration, timedelta)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "must be a mapping"),
        ("", "must be a mapping with `collections:`; `driftmon init`"),
        ({"collections": {}}, "collections: name at least one collection"),
        ({**LEAST, "colections": {}}, "colections: unknown key; did you mean 'collections'?"),
        (
            {**LEAST, "zzz": 1},
            "zzz: unknown key; known are budget, collections, database, ",
        ),
        (
            {**LEAST, "budget": {"false_page": 1}},
            "budget.false_page: unknown key; did you mean 'false_pages'?",
        ),
        (
            {**LEAST, "web": {"port": 1}},
            "web.port: unknown key; known are certificate_file, key_file, listen",
        ),
        ({**LEAST, "log": {"levle": "info"}}, "log.levle: unknown key; did you mean 'level'?"),
        (with_collection(windows="15m"), "collections.docs.windows: unknown key; did you mean 'window'?"),
        (with_collection(window="7m"), "collections.docs.window: must divide a day"),
        (with_collection(window="0s"), "collections.docs.window: must divide a day"),
        (with_collection(window="2d"), "collections.docs.window: must divide a day"),
        (
            with_collection(metric="manhattan"),
            "collections.docs.metric: Input should be 'cosine', 'dot' or 'l2'",
        ),
        (with_collection(metric="manhattan"), "(it is 'manhattan')"),
        (with_collection(k=0), "collections.docs.k: Input should be greater than or equal to 1 (it is 0)"),
        (with_collection(sample_size=10), "collections.docs.sample_size"),
        (with_collection(detectors={"canary": None}), "collections.docs.detectors.canary"),
        ({"collections": {"docs": {}}}, "collections.docs.source: Field required"),
        ({"notify": {"hook": {"type": "slack"}}}, "notify: must be a list: begin every entry with `- `"),
        ({"budget": [1]}, "budget: must be a table of `key: value` lines"),
        ({"collections": {"Docs!": LEAST["collections"]["docs"]}}, "'Docs!': a name has lower-case letters"),
        ({"collections": {"d" * 64: LEAST["collections"]["docs"]}}, "at most 63"),
        ({**LEAST, "budget": {"per": "0d"}}, "budget.per: must be above 0"),
        ({**LEAST, "budget": {"false_pages": 0}}, "budget.false_pages: Input should be greater than 0"),
        (
            {**LEAST, "web": {"listen": "9464"}},
            "web.listen: must be host:port, such as 127.0.0.1:9464 (it is '9464')",
        ),
        ({**LEAST, "web": {"listen": "h:99999"}}, "web.listen: must be host:port"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_with_path_and_mend(tmp_path: Path, data: Any, said: str) -> None:
    assert said in refused(tmp_path, data)


def test_every_problem_has_a_line(tmp_path: Path) -> None:
    text = refused(tmp_path, {**with_collection(k=0, windows=1), "webb": 1})
    assert len(text.splitlines()) == 3


def test_a_missing_variable_is_named_with_its_place(tmp_path: Path) -> None:
    data = with_collection(source={"type": "sql", "url": "${RAG_LOG_URL}"})
    path = write(tmp_path, data)
    with pytest.raises(ConfigError) as error:
        load_config(path, {})
    assert str(error.value) == (
        "collections.docs.source.url: the environment has no RAG_LOG_URL; export it before you start driftmon, "
        "or RAG_LOG_URL_FILE with the path of a file that holds it"
    )


def test_variables_are_expanded_wherever_a_text_stands() -> None:
    data = {"a": ["x-${ONE}-${TWO}", {"b": "${ONE}"}], "c": 3, "d": "$ONE ${not a name}"}
    assert expand(data, {"ONE": "1", "TWO": "2"}) == {
        "a": ["x-1-2", {"b": "1"}],
        "c": 3,
        "d": "$ONE ${not a name}",
    }


def test_what_a_variable_holds_is_not_expanded_again() -> None:
    assert expand("${A}", {"A": "${B}"}) == "${B}"


@pytest.mark.parametrize(
    "data",
    [
        {**LEAST, "database": [URL]},
        {**LEAST, "database": {"url": URL}},
        {"collections": {"docs": URL}},
        {"collections": {"docs": {"source": URL}}},
        {"collections": URL},
        {**LEAST, "notify": URL},
        {**LEAST, "web": {"listen": URL}},
        with_collection(k=URL),
        with_collection(window=URL),
        with_collection(embedder=URL),
        f"database: {URL}: more\n",
        f"collections:\n\tdocs: {URL}\n",
        f"database: *{SECRET}\n",
        f"database: !{SECRET} x\n",
        f'database: "{URL}\\q"\n',
        f"database: '{URL}\n",
    ],
    ids=str,
)
def test_no_message_repeats_a_secret_of_the_file(tmp_path: Path, data: Any) -> None:
    refused(tmp_path, data)


@pytest.mark.parametrize(
    "place", ["source", "embedder", "window", "k", "metric", "suite", "detectors", "scores"]
)
def test_no_message_repeats_a_secret_of_the_environment(tmp_path: Path, place: str) -> None:
    data = with_collection(**{place: "${RAG_TOKEN}", "windows": 1})
    text = refused(tmp_path, data, {"RAG_TOKEN": SECRET})
    if place != "suite":
        assert f"collections.docs.{place}" in text
        assert "(it is '${RAG_TOKEN}')" in text


def test_no_secret_is_in_a_repr(tmp_path: Path) -> None:
    edge = {"type": "any", "url": URL}
    edges = with_collection(source=edge, embedder=edge, live_embedder=edge, index=edge)
    config = load_config(write(tmp_path, {**edges, "database": URL, "notify": [edge]}), {})
    assert SECRET not in repr(config)
    assert SECRET not in str(config)
    assert config.collections["docs"].source["url"] == URL
    assert config.database.get_secret_value() == URL


def test_broken_yaml_is_placed(tmp_path: Path) -> None:
    assert "not valid YAML: mapping values are not allowed here in line 1, column 5" in refused(
        tmp_path, "a: b: c"
    )
    assert "not valid YAML" in refused(tmp_path, "a: \x00")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: no such file; `driftmon init`"):
        load_config(tmp_path / "nothing.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, {})
    path = tmp_path / "latin.yaml"
    path.write_bytes("collections: grüße".encode("latin-1"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(path, {})


@pytest.mark.parametrize(
    ("url", "anchored"),
    [
        ("sqlite:///driftmon.db", "sqlite:////etc/app/driftmon.db"),
        ("sqlite:////var/lib/driftmon.db", "sqlite:////var/lib/driftmon.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        (URL, URL),
    ],
)
def test_a_relative_database_file_lies_beside_the_configuration(url: str, anchored: str) -> None:
    assert anchor(url, Path("/etc/app")) == anchored


MODELS = (
    *(Config, CollectionConfig, LogConfig, MetricsConfig, WebConfig, TracingConfig, RetentionConfig),
    *(NotifyConfig, DeliveryConfig, LinksConfig),
)


def test_no_field_lacks_a_word_of_explanation_or_a_default() -> None:
    for model in MODELS:
        for name, field in model.model_fields.items():
            assert field.description, name


def test_parsed_configuration_does_not_change() -> None:
    config = parse_config(LEAST, Path("driftmon.yaml"))
    with pytest.raises(ValueError, match="frozen"):
        config.budget = config.budget


@pytest.mark.parametrize("place", ["source", "index", "embedder"])
def test_a_url_where_a_mapping_belongs_is_not_told(tmp_path: Path, place: str) -> None:
    # Written into the file itself, without a scheme that would give it away.
    text = refused(tmp_path, with_collection(**{place: "reader:hunter2@db.example.com/rag"}))
    assert f"collections.docs.{place}" in text
    assert "hunter2" not in text


def sliced(*slices: Any) -> dict[str, Any]:
    return with_collection(segments=slices[0] if len(slices) == 1 else list(slices))


def test_segments_are_one_or_a_list(tmp_path: Path) -> None:
    one = load_config(write(tmp_path, sliced({"by": "tenant", "values": ["acme", 12]})), {})
    (tenants,) = one.collections["docs"].segments
    assert (tenants.by, tenants.values, tenants.most, tenants.rest) == (
        "tenant",
        {"acme": "acme", "12": "12"},
        None,
        False,
    )
    two = sliced({"by": "tenant", "values": {"globex": "Globex Ltd"}}, {"by": "language", "most": 49})
    first, second = load_config(write(tmp_path, two), {}).collections["docs"].segments
    assert first.values == {"globex": "Globex Ltd"}
    assert second.most == 49


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (sliced({"by": "tenant"}), "collections.docs.segments: give values (a list) or most"),
        (sliced({"by": "tenant", "values": ["a"], "most": 2}), "collections.docs.segments: give values"),
        (sliced({"by": "tenant", "values": []}), "collections.docs.segments: values is empty"),
        (sliced({"values": ["a"]}), "collections.docs.segments.by: Field required"),
        (
            sliced({"by": "the tenant", "most": 2}),
            "collections.docs.segments.by: a label has letters, digits, dot, dash, underscore",
        ),
        (
            sliced({"by": "language", "values": ["en", False]}),
            "collections.docs.segments.values: False is read by YAML as bool; put it in quotes",
        ),
        (
            sliced({"by": "tenant", "values": ["Acme Corp"]}),
            "at most 63); give it a name: {some-name: 'Acme Corp'}",
        ),
        (sliced({"by": "tenant", "values": {"_rest": "x"}}), "'_rest': a segment's name has letters"),
        (sliced({"by": "tenant", "values": ["a", "a"]}), "'a' stands twice"),
        (sliced({"by": "tenant", "values": {"a": "x", "b": "x"}}), "'x' has two names"),
        (sliced({"by": "tenant", "most": 51}), "collections.docs.segments.most: Input should be less than"),
        (
            sliced({"by": "tenant", "most": 50, "rest": True}),
            "collections.docs.segments: 51 segments; at most 50 in a collection",
        ),
        (
            sliced({"by": "tenant", "most": 30}, {"by": "language", "most": 21}),
            "collections.docs.segments: 51 segments; at most 50",
        ),
        (sliced({"by": "a", "most": 1}, {"by": "a", "most": 2}), "'a' is sliced by twice"),
        (
            sliced({"by": "a", "most": 1}, {"by": "b", "mots": 2}),
            "collections.docs.segments.1.mots: unknown key; did you mean 'most'?",
        ),
        (sliced({"by": "b", "mots": 2}), "collections.docs.segments.mots: unknown key; did you mean 'most'?"),
        (
            with_collection(segments="tenant"),
            "collections.docs.segments: must be a list: begin every entry with `- `",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_with_segments_is_said_with_path_and_mend(tmp_path: Path, data: Any, said: str) -> None:
    assert said in refused(tmp_path, data)
