"""`make torture` in small: broken edges, fuzzed logs, hostile names, secrets."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.torture import edges, fuzz, secrets
from benchmarks.torture.accounts import KEPT
from benchmarks.torture.broken_files import KINDS
from benchmarks.torture.hostile_files import Payload, try_all
from benchmarks.torture.hostile_names import try_postgres, try_sqlite
from benchmarks.torture.hostile_texts import TEXTS, Texts, try_logs, try_page_and_metrics, try_terminal
from benchmarks.torture.mutations import NOW, WINDOWS, as_row, good_record, is_same
from benchmarks.torture.secret_forms import PLAIN, SECRETS, found_in, telltale_server
from benchmarks.torture.secret_scenes import every_scene
from monitor.demo.example import write_example
from monitor.records import Record, Rejection
from monitor.sources.file import FileSource


def test_no_broken_edge_leaves_a_number_that_is_none(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        seen = edges.torture(0.03, tmp_path)
    assert seen.windows > 40
    assert list(seen.defects()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_file_is_read_or_refused_and_ends_no_process(kind: str) -> None:
    # Seed 2 has one whose metadata made pyarrow end the process.
    module = "benchmarks.torture.broken_files"
    child = subprocess.run(
        [sys.executable, "-m", module, kind, "2", "700"], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)
    assert told["raised"] == []
    assert told["read"] + told["refused"] == 700
    assert told["refused"] > 200


def test_each_fuzzed_entry_is_a_record_or_rejected_once(tmp_path: Path, postgres_database: str) -> None:
    accounts = fuzz.torture(0.01, tmp_path, postgres_database)
    assert set(accounts) == {"JSON lines", "broken files", "Parquet", "SQLite", "PostgreSQL"}
    for account in accounts.values():
        assert (account.crashes, account.defects) == ([], [])
        assert (account.lost, account.changed, account.unaccounted) == (0, 0, 0)
    assert sum(account.good for account in accounts.values()) > 450
    assert all(
        accounts[kind].rejected.total() > 25 for kind in ("JSON lines", "Parquet", "SQLite", "PostgreSQL")
    )


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = st.sampled_from([*as_row(good_record(np.random.default_rng(0), 0)), "other"])
_LINES = st.binary(max_size=60) | st.builds(
    lambda at, fields: json.dumps({"id": "x", **at, **fields}).encode(),
    st.fixed_dictionaries({"at": st.just("2026-03-02T00:05:00Z") | _VALUES}),
    st.dictionaries(_FIELDS, _VALUES, max_size=5),
)


@settings(max_examples=200)
@given(st.lists(_LINES, max_size=8))
def test_whatever_a_line_holds_its_neighbours_are_read(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    rng = np.random.default_rng(len(lines))
    first, last = (good_record(rng, i) for i in range(2))
    hostile = [line.replace(b"\n", b" ") for line in lines]
    given_lines = [json.dumps(as_row(first)).encode(), *hostile, json.dumps(as_row(last)).encode()]
    path = tmp_path_factory.getbasetemp() / "hypothesis.jsonl"
    path.write_bytes(b"\n".join(given_lines))
    source = FileSource(str(path))
    object.__setattr__(source, "clock", lambda: NOW)
    for _ in range(2):  # the second time by what was learnt of the file
        entries = [e for start, end in WINDOWS for e in source.read(start, end)]
        records = [e for e in entries if isinstance(e, Record)]
        rejected = [e for e in entries if isinstance(e, Rejection) and e.reason not in KEPT]
        assert len(records) + len(rejected) == sum(not line.isspace() and line != b"" for line in given_lines)
        for good in (first, last):
            assert any(is_same(record, good) for record in records)


def test_a_secret_is_found_however_it_is_spelled() -> None:
    for place in SECRETS:
        for secret in (SECRETS[place], PLAIN[place]):
            coded = base64.b64encode(f"user:{secret}@host".encode()).decode()
            for text in (
                secret,
                quote(secret),
                repr(secret),
                json.dumps(secret),
                coded,
                secret.encode().hex(),
            ):
                assert any(f"the {place}'s" in found for found in found_in(f"before {text} after"))
    assert not list(found_in("nothing of it, not even Kanary or Kanarie"))


def test_no_secret_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "RUN_SECONDS", 3.0)
    write_example(tmp_path / "driftmon-example", datetime.now(UTC))
    (tmp_path / "token").write_text(PLAIN["token"])
    seen = secrets.Seen()
    with telltale_server() as telltale:
        scenes = {scene.name: scene for scene in every_scene(telltale, None)}
        for place in ("database", "source", "index"):
            for wrong in ("a server that tells", "the driver raises", "option sslmode", "two @"):
                refused = replace(scenes[f"{place}: {wrong}"], runs=False)
                secrets.play(refused, tmp_path, seen, (("check", "--json"),))
        secrets.play(scenes["source: a server that tells"], tmp_path, seen, (("baseline", "list"),))
        secrets.play(scenes["a token"], tmp_path, seen, (("status", "--json"),))
    assert seen.commands == 16
    assert seen.pages > 10
    assert (seen.leaks, seen.defects) == ([], [])


def test_a_hostile_name_is_refused_or_found_as_what_it_is(tmp_path: Path, postgres_database: str) -> None:
    for names in (try_sqlite(tmp_path, 5), try_postgres(postgres_database, 0, step=3)):
        assert names.defects == []
        assert names.refused > 200
        assert names.read > 40


@pytest.mark.filterwarnings("ignore")  # numpy's and pyarrow's, of what they refuse
def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    ended = try_all(tmp_path, models=False)
    assert len(ended["refused"]) > 15
    assert (ended["ran"], ended["loaded"], ended["raised"]) == ([], [], [])


@pytest.mark.model
@pytest.mark.filterwarnings("ignore")
def test_a_model_that_would_run_code_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="pip install sentence-transformers")
    ended = try_all(tmp_path, models=True)
    assert len(ended["refused"]) > 35
    assert (ended["ran"], ended["loaded"], ended["raised"]) == ([], [], [])


def test_a_payload_would_run() -> None:
    # Or the two tests above could not fail.
    with TemporaryDirectory() as folder:
        marker = Path(folder) / "marker"
        pickle.loads(pickle.dumps(Payload(str(marker)))).close()  # noqa: S301 our own
        assert marker.exists()


def test_no_text_is_acted_on(tmp_path: Path) -> None:
    texts = Texts()
    try_page_and_metrics(texts)
    try_terminal(tmp_path, texts)
    try_logs(texts)
    assert texts.shown > 20 * len(TEXTS)
    assert texts.defects == []
