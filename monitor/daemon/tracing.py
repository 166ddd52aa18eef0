"""OpenTelemetry traces of a window's walk: a span per window and per call of an edge, where configured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from monitor import __version__
from monitor.config import TracingConfig
from monitor.errors import ConfigError
from monitor.pipeline import Collection, sample_log
from monitor.protocols import Embedder, Index, LogSource, TextKind
from monitor.records import CorpusSample, Ranking, Record, Rejection, Sample, VectorArray

FLUSH = 3.0
"""Seconds that sending the last spans may take."""


class Tracer(Protocol):
    """Opens a span; attributes are configured names and numbers, never texts of users."""

    def __call__(self, name: str, /, **attributes: str | int) -> AbstractContextManager[Any]:
        """Return a context manager that is the span."""


def no_tracer(_name: str, /, **_attributes: str | int) -> AbstractContextManager[Any]:
    """Open nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Tracing:
    """A tracer and what ends its exporter, sending what is still buffered."""

    tracer: Tracer
    close: Callable[[], None]


def open_tracing(config: TracingConfig | None) -> Tracing:
    """Return the tracer that ``config`` asks for; without one, a tracer that does nothing.

    Spans are sent in the background: a collector that is away costs spans, never a window.

    Raises
    ------
    ConfigError
        When the SDK is not installed.
    """
    if config is None:
        return Tracing(no_tracer, lambda: None)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f'tracing: {error.name} is not installed; pip install "retrieval-drift-monitor[tracing]"'
        ) from None
    provider = TracerProvider(
        shutdown_on_exit=False,
        sampler=ParentBased(TraceIdRatioBased(config.sample_ratio)),
        resource=Resource.create({"service.name": config.service_name, "service.version": __version__}),
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=config.endpoint)))
    opened = provider.get_tracer("driftmon", __version__)

    @contextmanager
    def trace(name: str, /, **attributes: str | int) -> Iterator[None]:
        named = {f"driftmon.{key}": value for key, value in attributes.items()}
        # The text of an exception may hold what no collector should see: the span tells its type alone.
        with opened.start_as_current_span(
            name, attributes=named, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    def close() -> None:
        # A collector that is away is asked again and again; the end of the process does not wait for that.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH)

    return Tracing(trace, close)


def traced(collection: Collection, tracer: Tracer) -> Collection:
    """Return the collection with a span around every call of its edges."""
    if tracer is no_tracer:
        return collection
    reference, live, index = collection.embedder, collection.live_embedder, collection.index
    embedder = reference and TracedEmbedder(reference, tracer, "embedder")
    same = live is reference
    return replace(
        collection,
        source=TracedSource(collection.source, tracer),
        embedder=embedder,
        live_embedder=embedder if same else live and TracedEmbedder(live, tracer, "live_embedder"),
        index=index and TracedIndex(index, tracer),
    )


@dataclass(frozen=True, slots=True)
class TracedSource:
    """A log whose reading is a span, from the first record to the last."""

    source: LogSource
    tracer: Tracer

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield what the source yields."""
        with self.tracer("source.read"):
            yield from self.source.read(start, end)

    def sample(self, start: datetime, end: datetime, size: int) -> Sample:
        """Return the sample that the source draws, or one of what it yields."""
        with self.tracer("source.read"):
            return sample_log(self.source, start, end, size)

    def describe(self) -> str:
        """Return what the source says of itself."""
        return self.source.describe()


@dataclass(frozen=True, slots=True)
class TracedEmbedder:
    """An embedder whose calls are spans."""

    embedder: Embedder
    tracer: Tracer
    name: str

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        """Return what the embedder returns."""
        with self.tracer(f"{self.name}.embed", texts=len(texts), kind=kind):
            return self.embedder.embed(texts, kind)

    def describe(self) -> str:
        """Return what the embedder says of itself."""
        return self.embedder.describe()


@dataclass(frozen=True, slots=True)
class TracedIndex:
    """An index whose calls are spans."""

    index: Index
    tracer: Tracer

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Return what the index returns."""
        with self.tracer("index.search", queries=len(vectors), k=k):
            return self.index.search(vectors, k)

    def sample(self, n: int) -> CorpusSample:
        """Return what the index returns."""
        with self.tracer("index.sample", documents=n):
            return self.index.sample(n)
