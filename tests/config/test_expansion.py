"""Secrets from files: read, watched, kept quiet, and refused with their path."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config import read_config
from monitor.config.expansion import Expansion
from monitor.errors import ConfigError

LEAST = "collections: {docs: {source: {type: sql, url_file: secrets/log-url, table: log}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "log-url").write_text("postgresql://rag:s3cr3t-word@db/rag\n")
    (tmp_path / "driftmon.yaml").write_text(LEAST)
    return tmp_path


def test_a_url_is_read_from_its_file(folder: Path) -> None:
    loaded = read_config(folder / "driftmon.yaml", {})
    source = loaded.config.collections["docs"].source
    assert source == {"type": "sql", "url": "postgresql://rag:s3cr3t-word@db/rag", "table": "log"}
    assert loaded.files == {folder / "driftmon.yaml", folder / "secrets" / "log-url"}
    assert loaded.secrets == {"postgresql://rag:s3cr3t-word@db/rag"}
    assert "s3cr3t-word" not in repr(loaded)


def test_the_database_is_read_from_its_file(folder: Path) -> None:
    (folder / "secrets" / "db").write_text("sqlite:///own.db")
    (folder / "driftmon.yaml").write_text("database_file: secrets/db\n" + LEAST)
    config = read_config(folder / "driftmon.yaml", {}).config
    assert config.database.get_secret_value() == f"sqlite:///{folder}/own.db"


def test_files_of_the_web_server_lie_beside_the_configuration(folder: Path) -> None:
    web = "web: {token_file: secrets/token, certificate_file: tls.crt, key_file: /etc/tls.key}\n"
    (folder / "driftmon.yaml").write_text(web + LEAST)
    read = read_config(folder / "driftmon.yaml", {}).config.web
    assert (read.token_file, read.certificate_file) == (folder / "secrets" / "token", folder / "tls.crt")
    assert read.key_file == Path("/etc/tls.key")


def test_a_certificate_without_its_key_is_refused(folder: Path) -> None:
    (folder / "driftmon.yaml").write_text("web: {certificate_file: tls.crt}\n" + LEAST)
    with pytest.raises(ConfigError, match="certificate_file and key_file belong together"):
        read_config(folder / "driftmon.yaml", {})


def test_a_variable_may_be_a_file(folder: Path) -> None:
    (folder / "password").write_text("pass-from-file\n")
    expansion = Expansion({"RAG_PASSWORD_FILE": str(folder / "password"), "REGION": "eu-central-1"})
    assert expansion.expand("u:${RAG_PASSWORD}@${REGION}") == "u:pass-from-file@eu-central-1"
    assert expansion.files == {folder / "password"}
    assert expansion.secrets == {"pass-from-file"}  # a region is no secret, and stays readable in the log


def test_the_variable_itself_goes_first(folder: Path) -> None:
    expansion = Expansion({"TOKEN": "from-environment", "TOKEN_FILE": str(folder / "none")})
    assert expansion.expand("${TOKEN}") == "from-environment"
    assert expansion.secrets == {"from-environment"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory); mount the secret there"),
        (b"", "is empty; write the value into it"),
        (b" \n ", "is empty"),
        (b"a\nb", "has more than one line"),
        (b"\xff\xfe", "cannot be read (not UTF-8)"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(folder: Path, content: bytes | None, said: str) -> None:
    file = folder / "secrets" / "log-url"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_config(folder / "driftmon.yaml", {})
    assert str(error.value).startswith("collections.docs.source.url_file: ")
    assert said in str(error.value)


def test_a_value_and_its_file_contradict_each_other(folder: Path) -> None:
    text = LEAST.replace("url_file", "url: sqlite:///a.db, url_file")
    (folder / "driftmon.yaml").write_text(text)
    with pytest.raises(ConfigError, match="url_file: stands beside url; keep one of the two"):
        read_config(folder / "driftmon.yaml", {})


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    (folder / "driftmon.yaml").write_text("workers: 1\nworkers: 2\n" + LEAST)
    with pytest.raises(ConfigError, match=r"the key workers stands twice; keep one of the two in line 2"):
        read_config(folder / "driftmon.yaml", {})


def test_merge_keys_are_no_doubles(folder: Path) -> None:
    text = """
collections:
  a: &all {window: 1h, source: {type: file, path: a.jsonl}}
  b: {<<: *all, window: 15m}
"""
    (folder / "driftmon.yaml").write_text(text)
    collections = read_config(folder / "driftmon.yaml", {}).config.collections
    assert [c.window.total_seconds() for c in collections.values()] == [3600, 900]


@pytest.mark.parametrize("url", ["mysql://u:s3cr3t-word@h/d", "driftmon.db", "sqlite"])
def test_a_database_of_another_kind_is_refused_unseen(folder: Path, url: str) -> None:
    (folder / "driftmon.yaml").write_text(f"database: {url}\n" + LEAST)
    with pytest.raises(ConfigError, match="database: must be sqlite:///") as error:
        read_config(folder / "driftmon.yaml", {})
    assert "s3cr3t-word" not in str(error.value)


def test_a_secret_where_the_name_of_its_file_belongs_is_not_told(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"source\.url: the file that RAG_URL_FILE names cannot be read"
    ) as told:
        Expansion({"RAG_URL_FILE": "hunter2-is-the-password"}, folder).expand(
            {"source": {"url": "${RAG_URL}"}}
        )
    assert "hunter2" not in str(told.value)
