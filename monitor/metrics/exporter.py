"""The Prometheus exposition of a snapshot: the only door to prometheus_client."""

from __future__ import annotations

import math
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.exposition import choose_encoder

from monitor import __version__
from monitor.metrics.budget import MAX_SERIES, choose_dropped
from monitor.metrics.names import METRICS, MetricInfo
from monitor.records import State, WindowState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from monitor.records import CollectionStatus, Incident, Reading, Snapshot

    Encoder = Callable[[CollectorRegistry], bytes]

LABEL_LENGTH = 192
"""A collection, a label and a segment of 63 characters each, and what stands between them."""
# What still holds when nobody has published for long: all else would be a frozen picture of the past.
_LASTING = {"driftmon_snapshot_timestamp_seconds", "driftmon_nonfinite_total", "driftmon_build_info"}
_OF_COLLECTIONS = [info.name for info in METRICS if info.labels[:1] == ("collection",)]
_END = b"# EOF\n"
"""The last line of OpenMetrics; what is put before something else goes without it."""
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class Exporter:
    """Holds the last published snapshot as metric families and renders them for a scraper.

    One thread publishes; any number of threads render. A snapshot that was published more than ``max_age``
    seconds ago is withheld. No snapshot has more than ``max_series`` series beside those of the process; what is
    left out is counted (:mod:`monitor.metrics.budget`).
    """

    def __init__(
        self,
        *,
        max_age: float = 900.0,
        max_series: int = MAX_SERIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_series = max_series
        self._max_age = max_age
        self._clock = clock
        self._nonfinite = 0
        page = _Page()
        page.put("driftmon_build_info", 1, __version__)
        page.put("driftmon_nonfinite_total", 0)
        self._published: tuple[float, tuple[Metric, ...]] = (clock(), tuple(page.families()))
        self._rendered = _Rendered(self._published)
        self._encoders: dict[str, Encoder] = {}
        """By content type, each format that a scraper has asked for."""
        self._lock = threading.Lock()
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)

    def publish(self, snapshot: Snapshot) -> None:
        """Replace what is exported by ``snapshot``, in one step."""
        page = _Page()
        for status in snapshot.collections:
            _put_collection(page, status, snapshot)
        for (name, kind), moment in snapshot.events.items():
            page.put("driftmon_event_timestamp_seconds", moment.timestamp(), _name(name), _word(kind))
        for (notifier, result), count in snapshot.notifications.items():
            page.put("driftmon_notifications_total", count, _name(notifier), _word(result))
        for notifier, backlog in snapshot.backlogs.items():
            page.put("driftmon_outbox_pending", backlog.pending, _name(notifier))
            page.put("driftmon_outbox_oldest_age_seconds", backlog.oldest_age, _name(notifier))
            page.put("driftmon_outbox_dead", backlog.dead, _name(notifier))
        page.put("driftmon_silences_active", snapshot.silences)
        page.put("driftmon_snapshot_timestamp_seconds", snapshot.at.timestamp())
        page.put("driftmon_config_last_reload_successful", snapshot.config_ok)
        if snapshot.config_read_at is not None:
            read_at = snapshot.config_read_at.timestamp()
            page.put("driftmon_config_last_reload_success_timestamp_seconds", read_at)
        for pace, count in snapshot.in_work.items():
            page.put("driftmon_windows_in_work", count, _word(pace))
        page.put("driftmon_build_info", 1, __version__)
        self._nonfinite += page.withheld
        page.put("driftmon_nonfinite_total", self._nonfinite)
        page.fit(self.max_series, {_name(s.collection) for s in snapshot.collections if _in_trouble(s)})
        # One assignment: a scrape sees the old snapshot or the new one, never a mixture.
        self._published = (self._clock(), tuple(page.families()))
        for content_type, encode in tuple(self._encoders.items()):
            self._encode(content_type, encode)  # now, so that no scrape waits for it

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its content type, in the format that the ``Accept`` header asks for.

        A snapshot is encoded once per format, and what the process says of itself at every call.
        """
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:  # a version that is no version, such as "version=x"
            encode, content_type = choose_encoder("")
        self._encoders[content_type] = encode
        return self._encode(content_type, encode).removesuffix(_END) + encode(self._process), content_type

    def _encode(self, content_type: str, encode: Encoder) -> bytes:
        """Return the metric families that hold now, encoded."""
        with self._lock:
            published = self._published
            if self._rendered.of is not published:
                self._rendered = _Rendered(published)
            published_at, families = published
            fresh = self._clock() - published_at <= self._max_age
            body = self._rendered.bodies.get((content_type, fresh))
            if body is None:
                held = (f for f in families if fresh or any(sample.name in _LASTING for sample in f.samples))
                body = self._rendered.bodies[content_type, fresh] = encode(_Families(tuple(held)))
        return body


@dataclass(slots=True)
class _Rendered:
    """What has been encoded of one publication, by content type and whether it was fresh."""

    of: tuple[float, tuple[Metric, ...]]
    bodies: dict[tuple[str, bool], bytes] = field(default_factory=dict)


class _Families(CollectorRegistry):
    """Metric families in the place of a registry, which is all that an encoder takes."""

    def __init__(self, families: tuple[Metric, ...]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class _Page:
    """Samples on their way out; refuses what must never be exported."""

    def __init__(self) -> None:
        self.withheld = 0
        self._samples: dict[str, dict[tuple[str, ...], float]] = {info.name: {} for info in METRICS}

    def put(self, name: str, value: float, *labels: str) -> None:
        """Add one sample; a value that is not finite is withheld and counted.

        Where two label sets became equal by cleaning, the first one stands: a scraper refuses duplicates.
        """
        if not math.isfinite(value):
            self.withheld += 1
            return
        self._samples[name].setdefault(labels, float(value))

    def fit(self, limit: int, troubled: Collection[str]) -> None:
        """Leave out what is beyond ``limit`` series, and say how many are shown and how many are not."""
        self.put("driftmon_series_limit", limit)
        self.put("driftmon_series_exported", 0)
        self.put("driftmon_series_dropped", 0)
        dropped = choose_dropped(self._samples, _OF_COLLECTIONS, troubled, limit)
        for name in {name for name, _ in dropped}:
            kept = self._samples[name].items()
            self._samples[name] = {labels: v for labels, v in kept if (name, labels[0]) not in dropped}
        for name, value in (
            ("driftmon_series_exported", sum(len(family) for family in self._samples.values())),
            ("driftmon_series_dropped", sum(dropped.values())),
        ):
            self._samples[name] = {(): float(value)}

    def families(self) -> Iterator[Metric]:
        """Yield a family for every metric that has a sample."""
        return (_family(info, self._samples[info.name]) for info in METRICS if self._samples[info.name])


def _family(info: MetricInfo, samples: Mapping[tuple[str, ...], float]) -> Metric:
    if info.kind == "info":
        described = InfoMetricFamily(info.name.removesuffix("_info"), info.help, labels=info.labels)
        for labels in samples:
            described.add_metric(labels, {})
        return described
    family: GaugeMetricFamily | CounterMetricFamily | UnknownMetricFamily
    match info.kind:
        case "gauge":
            family = GaugeMetricFamily(info.name, info.help, labels=info.labels)
        case "counter":
            family = CounterMetricFamily(info.name, info.help, labels=info.labels)
        case "unknown":
            family = UnknownMetricFamily(info.name, info.help, labels=info.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


def _put_collection(page: _Page, status: CollectionStatus, snapshot: Snapshot) -> None:
    collection = _name(status.collection)
    for reading in status.readings:
        _put_reading(page, collection, reading)
    for evidence in status.evidence:
        stream = (collection, _word(evidence.detector), _word(evidence.signal))
        page.put("driftmon_evidence", _log10(evidence.log_e), *stream)
        page.put("driftmon_evidence_firing", evidence.firing, *stream)
    page.put("driftmon_evidence_threshold", _log10(status.log_threshold), collection)
    state = status.verdict.state if status.verdict else None
    for each in get_args(State):
        page.put("driftmon_verdict", each == state, collection, each)
    _put_incidents(page, collection, status.incidents)
    if status.window_end is not None:
        page.put("driftmon_window_end_timestamp_seconds", status.window_end.timestamp(), collection)
        lag = (snapshot.at - status.window_end).total_seconds()
        page.put("driftmon_window_lag_seconds", max(0.0, lag), collection)
    if status.window_length is not None:
        page.put("driftmon_window_length_seconds", status.window_length.total_seconds(), collection)
    for window_state in get_args(WindowState):
        page.put("driftmon_windows_total", status.windows.get(window_state, 0), collection, window_state)
    for signal, size in status.sample_sizes.items():
        page.put("driftmon_sample_size", size, collection, _word(signal))
    if status.baseline_id is not None:
        page.put(
            "driftmon_baseline_info", 1, collection, str(status.baseline_id), _name(status.baseline_model)
        )


def _put_reading(page: _Page, collection: str, reading: Reading) -> None:
    stream = (collection, _word(reading.detector), _word(reading.signal))
    page.put("driftmon_reading_valid", reading.status == "ok", *stream)
    threshold = reading.effect_floor if reading.threshold is None else reading.threshold
    if threshold or reading.log_p is not None:  # a reading with neither is shown and never fires
        page.put("driftmon_reading_threshold", threshold, *stream)
    if reading.status != "ok":  # its value is a placeholder, and 0.0 would be the worst recall there is
        return
    page.put("driftmon_reading", reading.value, *stream)
    page.put("driftmon_reading_effect", reading.shift, *stream)
    if reading.log_p is not None:
        p_value = math.exp(reading.log_p) if reading.log_p <= 0 else math.nan
        page.put("driftmon_reading_p_value", p_value, *stream)
    k = reading.detail.get("k")
    if reading.key == "recall_at_k.suite" and isinstance(k, int | float):
        page.put("driftmon_recall_at_k", reading.value, collection, f"{k:g}")


def _put_incidents(page: _Page, collection: str, incidents: Iterable[Incident]) -> None:
    for incident in incidents:
        if incident.resolved_at is None:
            labels = (collection, _word(incident.severity), _word(incident.cause))
            page.put("driftmon_incident_active", 1, *labels)
    # After the open ones: put() keeps the first, and an open incident may itself have cause "none".
    for severity in ("warning", "critical"):
        page.put("driftmon_incident_active", 0, collection, severity, "none")


def _in_trouble(status: CollectionStatus) -> bool:
    return any(incident.resolved_at is None for incident in status.incidents)


def _log10(natural: float) -> float:
    """Turn a natural logarithm into a decimal one, floored at 0; NaN stays NaN."""
    return 0.0 if natural <= 0 else natural / math.log(10)


def _name(value: str) -> str:
    """Clean a configured name: printable characters only, bounded length, never empty."""
    return "".join(c for c in value if c.isprintable())[:LABEL_LENGTH].strip() or "unnamed"


def _word(value: str) -> str:
    """Keep a plain word; anything else, such as a sentence that slipped into a cause, is ``other``."""
    return value if _WORD.fullmatch(value) else "other"
