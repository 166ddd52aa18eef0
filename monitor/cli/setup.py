"""driftmon init and check: from nothing to a configuration that works, and what every edge says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, load_deployment
from monitor.cli.show import console, print_json
from monitor.errors import ConfigError, DriftmonError
from monitor.segments import parent_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.config import SegmentsConfig
    from monitor.pipeline import Collection
    from monitor.records import Record, Rejection
    from monitor.telling import Route

_LOOKED_AT = 200
_SHOWN = 8
"""Values of a label that are shown, the most frequent."""
_EXAMPLE = "driftmon-example"

TEMPLATE = """\
# driftmon.yaml: what to watch. `driftmon check` connects to everything named here and says what it found.
# ${NAME} takes a value from the environment; keep passwords there.

database: sqlite:///driftmon.db        # the monitor's own store; in production postgresql+psycopg://…

budget:                                # one false-alarm budget for all collections and detectors together
  false_pages: 1
  per: 90d

web:
  listen: 127.0.0.1:9464               # /metrics, /-/healthy, /-/ready and the status page

# notify:                              # on-call hooks; exactly one of them pages for critical incidents
#   - {type: pagerduty, routing_key: "${PAGERDUTY_KEY}"}   # or webhook, email
#   - {type: slack, url: "${SLACK_URL}"}                   # a chat never pages

collections:
  # This one works as it stands: three days of a real log lie in driftmon-example/. Point it at your own:
  example:
    window: 1h                         # 15m suits a busy service; a window wants 200 questions or more
    lateness: 0s                       # how long log entries may come late
    sample_size: 200                   # questions looked at in a window
    k: 10                              # recall@10
    metric: cosine                     # cosine, dot or l2
    scores: similarity                 # or distance, where smaller logged scores are better
    source:
      type: sql                        # or file: path: logs/*.jsonl (also .jsonl.gz and .parquet)
      url: sqlite:///driftmon-example/log.db   # yours: ${RAG_LOG_URL}
      table: retrieval_log
      columns:                         # our field: your column
        id: id
        at: created_at
        text: query
        vector: embedding              # left out? then name an embedder below
        hits: results                  # JSON [{"id": …, "score": …}], or a list of ids
        # segments: {tenant: tenant_id} # labels to slice by, see below
      vector_dtype: float16
    index:
      type: memory                     # or pgvector: url, table
      path: driftmon-example/index.npz
    suite: driftmon-example/suite.jsonl   # judged queries: {"id", "text", "relevant": {"doc-7": 1}}
    # segments:                        # watch slices by themselves, under the same budget; one, or a list
    #   by: tenant                     # a label of source.columns.segments
    #   values: [acme, globex]         # or most: 10, the most frequent ones that `baseline build` finds
    #   rest: true                     # and all others together
    # embedder:                        # pip install "retrieval-drift-monitor[sentence-transformers]"
    #   type: sentence-transformers    # gives logged texts a place in space; pin the model you trust
    #   model: BAAI/bge-small-en-v1.5
    #   query_prompt: "Represent this sentence for searching relevant passages: "
"""


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = DEFAULT_CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented driftmon.yaml and a small example that it watches; both work as they stand."""
    from monitor.demo.example import write_example

    if path.exists() and not force:
        raise ConfigError(f"{path}: already there; name another file or overwrite it with --force")
    folder = path.parent / _EXAMPLE
    write_example(folder, datetime.now(UTC))
    path.write_text(TEMPLATE, encoding="utf-8")
    out = console()
    option = "" if path == DEFAULT_CONFIG else f" --config {path}"
    out.print(f"wrote {path} and {folder}/; next:", markup=False, soft_wrap=True)
    # The last day stays out of the baseline, so that there is something to compare at once.
    for step in ("check", "baseline build --start -3d --end -1d", "evaluate", "run"):
        out.print(f"  driftmon {step}{option}", markup=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one edge of one collection said."""

    collection: str
    edge: str
    ok: bool
    text: str


def check(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Connect to every edge of every collection and say what was found; exit code 3 when one fails."""
    deployment = load_deployment(config)
    findings = [_check_store(deployment.config.database.get_secret_value())]
    for name, collection in deployment.collections.items():
        if parent_of(name) is None:  # a segment has no edges of its own
            findings.extend(_check_collection(name, collection, deployment.config.collections[name].segments))
    findings.extend(_check_hook(route) for route in deployment.routes)
    if as_json:
        print_json({"ok": all(f.ok for f in findings), "findings": [_finding_dict(f) for f in findings]})
    else:
        from rich.markup import escape

        out = console()
        for f in findings:
            mark = "[green]ok  [/]" if f.ok else "[bold red]FAIL[/]"
            out.print(f"{mark} {f.collection}.{f.edge}: {escape(f.text)}", soft_wrap=True)
    if not all(f.ok for f in findings):
        raise typer.Exit(3)


def _finding_dict(finding: Finding) -> dict[str, Any]:
    return {"collection": finding.collection, "edge": finding.edge, "ok": finding.ok, "text": finding.text}


def _check_store(url: str) -> Finding:
    from monitor.store import schema

    try:
        now, head = schema.current(url), schema.head()
    except DriftmonError as error:
        return Finding("driftmon", "database", ok=False, text=str(error))
    if now == head:
        return Finding("driftmon", "database", ok=True, text=f"schema {now}, up to date")
    # An embedded file is brought up to date by the first command that needs it; a shared server never on the side.
    embedded = url.startswith("sqlite")
    mend = "is made by the first command that needs it" if embedded else "run `driftmon db upgrade`"
    return Finding(
        "driftmon", "database", ok=embedded, text=f"reachable; schema {now or 'none'} of {head}: {mend}"
    )


def _check_hook(route: Route) -> Finding:
    """Connect to an on-call hook; nobody is told anything."""
    told = " and ".join(sorted(route.severities)) + (", pages" if route.pages else "")
    try:
        return Finding("notify", route.name, ok=True, text=f"{route.notifier.describe()} ({told})")
    except DriftmonError as error:
        return Finding("notify", route.name, ok=False, text=str(error))


def _check_collection(
    name: str, collection: Collection, segments: Sequence[SegmentsConfig] = ()
) -> list[Finding]:
    findings = []
    dimensions: dict[str, int] = {}

    def look(edge: str, describe: Any) -> None:
        try:
            findings.append(Finding(name, edge, ok=True, text=describe()))
        except DriftmonError as error:
            findings.append(Finding(name, edge, ok=False, text=str(error)))

    look("source", collection.source.describe)
    look("records", lambda: _describe_records(collection, dimensions))
    for each in segments:
        look(f"segments.{each.by}", lambda each=each: _describe_segments(collection, each))
    if collection.embedder is not None:
        look("embedder", collection.embedder.describe)
    if collection.live_embedder is not None and collection.live_embedder is not collection.embedder:
        look("live_embedder", collection.live_embedder.describe)
    if collection.index is not None:
        look("index", lambda: _describe_index(collection, dimensions))
    if collection.suite:
        look("suite", lambda: f"{len(collection.suite)} judged queries")
    if len(set(dimensions.values())) > 1:
        text = ", ".join(f"{where} has {d} dimensions" for where, d in dimensions.items())
        findings.append(
            Finding(name, "dimensions", ok=False, text=f"{text}: name the model that made the index")
        )
    return findings


def _newest(collection: Collection) -> list[Record | Rejection]:
    """Return a few of the newest week's entries."""
    from itertools import islice

    now = datetime.now(UTC)
    return list(islice(collection.source.read(now - timedelta(days=7), now), _LOOKED_AT))


def _describe_segments(collection: Collection, settings: SegmentsConfig) -> str:
    """Say which values of the label a few of the newest week's records have; raises `ConfigError` when none has any."""
    from collections import Counter

    from monitor.records import Record
    from monitor.segments import segment_name
    from monitor.slicing import make_slice

    labels = [e.segments for e in _newest(collection) if isinstance(e, Record)]
    values = [value for each in labels if (value := each.get(settings.by))]
    if not labels:
        return "no record in the last 7 days"
    if not values:
        raise ConfigError(
            f"none of {len(labels)} records of the last 7 days has the label {settings.by!r}: correct "
            "source.columns.segments"
        )
    found = Counter(map(segment_name, values))
    if settings.values is not None:
        chosen = make_slice(settings, ())
        found = Counter(name for each in labels if (name := chosen.name_of(each)))
    shown = ", ".join(f"{value} {count}" for value, count in found.most_common(_SHOWN))
    watched = (
        "" if settings.values is not None else f"; the {settings.most} most frequent are frozen by a baseline"
    )
    return f"{len(values)} of {len(labels)} records have one: {shown or 'none of those named'}{watched}"


def _describe_records(collection: Collection, dimensions: dict[str, int]) -> str:
    """Read a few of the newest week's records and say what of them can be used."""
    from monitor.records import Record

    entries = _newest(collection)
    records = [e for e in entries if isinstance(e, Record)]
    if not entries:
        return "no record in the last 7 days"
    rejected = len(entries) - len(records)
    vectors = [r.vector for r in records if r.vector is not None]
    if vectors:
        dimensions["the log"] = len(vectors[0])
    parts = [
        f"of {len(entries)} entries of the last 7 days {len(records)} are usable",
        f"{len(vectors)} with a vector" + (f" of {len(vectors[0])} dimensions" if vectors else ""),
        f"{sum(1 for r in records if r.text)} with a text",
        f"{sum(1 for r in records if r.hits)} with hits",
        f"{sum(1 for r in records if r.scores)} with scores",
    ]
    if rejected:
        reasons = sorted({e.reason for e in entries if not isinstance(e, Record)})
        parts.append(f"{rejected} rejected ({', '.join(reasons)})")
    return ", ".join(parts) + _describe_direction(records, collection.direction)


def _describe_direction(records: list[Record], direction: str) -> str:
    """Say so when the logged scores run the other way than the configuration claims."""
    pairs = [(r.scores[0], r.scores[-1]) for r in records if r.scores and len(r.scores) > 1]
    falling = sum(1 for first, last in pairs if first > last)
    rising = sum(1 for first, last in pairs if first < last)
    if direction == "similarity" and rising > falling:
        return "; WARNING: scores rise along the answers, `scores: distance` seems right"
    if direction == "distance" and falling > rising:
        return "; WARNING: scores fall along the answers, `scores: similarity` seems right"
    return ""


def _describe_index(collection: Collection, dimensions: dict[str, int]) -> str:
    index = collection.index
    if index is None:
        return "none"
    sample = index.sample(10)
    dimensions["the index"] = int(sample.vectors.shape[1])
    answer = index.search(sample.vectors[:1], 1)
    found = "finds" if answer.ids and answer.ids[0] else "does not find"
    dimension = sample.vectors.shape[1]
    return f"{sample.size} documents of {dimension} dimensions; {found} an answer to one of its own vectors"
