"""Spans of the walk, sent to a real HTTP server that speaks OTLP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from monitor.config import TracingConfig
from monitor.daemon.tracing import TracedEmbedder, TracedIndex, no_tracer, open_tracing, traced
from monitor.errors import ConfigError, EdgeError
from monitor.pipeline import Collection
from tests.core_fakes import world
from tests.core_fakes.bench import Bench, Make

TEXT = "how do I reset a secret thing"


class Collector:
    """Takes trace exports and keeps their spans."""

    def __init__(self) -> None:
        trace_service = pytest.importorskip(
            "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
            reason="no OpenTelemetry: pip install 'retrieval-drift-monitor[tracing]'",
        )
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                import gzip

                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._request: Any = trace_service.ExportTraceServiceRequest
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def config(self) -> TracingConfig:
        return TracingConfig(endpoint=f"http://127.0.0.1:{self._server.server_port}/v1/traces")

    @property
    def spans(self) -> list[Any]:
        requests = [self._request.FromString(body) for body in self.bodies]
        return [s for r in requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def _trace(bench: Bench, config: TracingConfig) -> None:
    """Let the daemon take the tracing up, as a reload does."""
    daemon = bench.daemon
    changed = daemon.deployment.config.model_copy(update={"tracing": config})
    deployment = replace(daemon.deployment, config=changed)
    daemon.load = lambda: deployment
    assert daemon.reload()


def test_a_window_is_a_trace_of_its_steps(make: Make, collector: Collector) -> None:
    bench = make("docs")
    _trace(bench, collector.config)
    bench.pass_windows(2)
    bench.tick()
    bench.daemon._tracing.close()
    spans = collector.spans
    assert sorted(s.name for s in spans) == ["commit"] * 2 + ["source.read"] * 2 + ["window"] * 2
    windows = {s.span_id: s for s in spans if s.name == "window"}
    for span in spans:
        if span.name != "window":
            assert span.trace_id == windows[span.parent_span_id].trace_id
    (first, *_) = windows.values()
    attributes = {a.key: a.value.string_value for a in first.attributes}
    assert attributes == {"driftmon.collection": "docs", "driftmon.window": "2026-03-02T06:00:00+00:00"}


def test_an_error_is_told_by_its_type_alone(make: Make, collector: Collector) -> None:
    bench = make("docs")
    _trace(bench, collector.config)
    bench.traffic["docs"].broken.append(EdgeError("password=hunter2"))
    bench.pass_windows(1)
    bench.tick()
    bench.daemon._tracing.close()
    (read,) = [s for s in collector.spans if s.name == "source.read"]
    assert {a.key: a.value.string_value for a in read.attributes} == {"error.type": "EdgeError"}
    assert b"hunter2" not in b"".join(collector.bodies)


def test_every_edge_answers_as_before(collector: Collector) -> None:
    tracing = open_tracing(collector.config)
    index = world.FakeIndex(["a", "b"], np.eye(2, dtype=np.float32))
    collection = Collection(
        "docs",
        world.FakeSource([]),
        (),
        embedder=world.FakeEmbedder(),
        live_embedder=world.FakeEmbedder(8),
        index=index,
    )
    wrapped = traced(collection, tracing.tracer)
    assert isinstance(wrapped.embedder, TracedEmbedder)
    assert isinstance(wrapped.live_embedder, TracedEmbedder)
    assert isinstance(wrapped.index, TracedIndex)
    assert wrapped.live_embedder is not wrapped.embedder
    assert np.array_equal(wrapped.embedder.embed([TEXT]), world.FakeEmbedder().embed([TEXT]))
    assert wrapped.embedder.describe() == world.FakeEmbedder().describe()
    assert wrapped.source.describe() == "0 entries"
    assert wrapped.index.search(index.vectors, 1).ids == [["a"], ["b"]]
    assert wrapped.index.sample(2).size == 2
    tracing.close()
    assert [s.name for s in collector.spans] == ["embedder.embed", "index.search", "index.sample"]
    assert TEXT.encode() not in b"".join(collector.bodies)


def test_one_embedder_for_both_stays_one() -> None:
    embedder = world.FakeEmbedder()
    collection = Collection("docs", world.FakeSource([]), (), embedder=embedder, live_embedder=embedder)
    wrapped = traced(collection, open_tracing(None).tracer)
    assert wrapped is collection  # nothing is wrapped where nothing is traced

    def other(name: str, /, **_: str | int) -> Any:
        return no_tracer(name)

    wrapped = traced(collection, other)
    assert wrapped.embedder is wrapped.live_embedder


def test_a_collector_that_is_away_costs_spans_and_no_window(make: Make) -> None:
    bench = make("docs")
    _trace(bench, TracingConfig(endpoint="http://127.0.0.1:9/v1/traces"))
    bench.pass_windows(2)
    bench.tick()
    assert bench.states("docs") == {"done": 2}


def test_without_the_sdk_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(ConfigError, match=r'pip install "retrieval-drift-monitor\[tracing\]"'):
        open_tracing(TracingConfig(endpoint="http://collector:4318/v1/traces"))


def test_an_endpoint_is_a_url() -> None:
    with pytest.raises(ValueError, match="must be an http:// or https:// URL"):
        TracingConfig(endpoint="collector:4318")
