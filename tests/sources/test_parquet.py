from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from monitor.errors import ConfigError, EdgeError
from monitor.records import Ragged
from monitor.sources.file import FileSource
from monitor.sources.parquet import _values

pa = pytest.importorskip("pyarrow", reason="pip install 'pyarrow>=16' (extra parquet)")
pq = pytest.importorskip("pyarrow.parquet")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from monitor.records import Record, Rejection

    Split = Callable[[Any], tuple[list[Record], list[Rejection]]]
    Span = tuple[datetime, datetime]

START = datetime(2026, 3, 2, tzinfo=UTC)


def _write(path: Path, columns: dict[str, Any], **options: Any) -> str:
    n = len(next(iter(columns.values())))
    needed = {"id": pa.array([f"q{i}" for i in range(n)]), "at": pa.array([START] * n)}
    pq.write_table(pa.table({**needed, **columns}), path, **options)
    return str(path)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64()),
        pa.list_(pa.float16()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float32(), 2),
        pa.list_(pa.int64()),
    ],
    ids=str,
)
def test_vectors_of_every_list_type(tmp_path: Path, window: Span, split: Split, kind: Any) -> None:
    vectors: list[Any] = [[1, -2], None, [3, 4]]
    if pa.types.is_float16(kind.value_type):
        vectors = [None if v is None else [np.float16(x) for x in v] for v in vectors]
    path = _write(tmp_path / "log.parquet", {"vector": pa.array(vectors, kind)})
    records, rejections = split(FileSource(path).read(*window))
    assert rejections == []
    found = [None if r.vector is None else r.vector.tolist() for r in records]
    assert found == [[1.0, -2.0], None, [3.0, 4.0]]
    first = records[0].vector
    assert first is not None
    assert first.dtype == np.float32
    assert first.base is None  # a copy: a record does not keep its batch alive


def test_vectors_as_blobs_and_with_holes(tmp_path: Path, window: Span, split: Split) -> None:
    blobs = pa.array([np.array([1, 2], "<f2").tobytes(), b"odd"], pa.binary())
    path = _write(tmp_path / "blobs.parquet", {"vector": blobs})
    records, rejections = split(FileSource(path, vector_dtype="float16").read(*window))
    assert [r.vector.tolist() for r in records if r.vector is not None] == [[1.0, 2.0]]
    assert [(r.reason, r.where) for r in rejections] == [("bad_vector", f"{path}:row 2")]
    path = _write(tmp_path / "holes.parquet", {"vector": pa.array([[1.0, None]], pa.list_(pa.float32()))})
    [record], _ = split(FileSource(path).read(*window))
    assert record.vector is not None
    assert np.isnan(record.vector[1])  # the profile counts it


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC"), pa.timestamp("us", "Asia/Kolkata")], ids=str
)
def test_timestamps_of_every_unit(tmp_path: Path, window: Span, split: Split, kind: Any) -> None:
    at = pa.array([START, START + timedelta(seconds=1)], kind)
    if kind.unit == "ns":  # nanoseconds that no datetime can hold
        at = pa.array(at.cast(pa.int64()).to_numpy() + 7).cast(kind)
    records, rejections = split(FileSource(_write(tmp_path / "log.parquet", {"at": at})).read(*window))
    assert rejections == []
    assert [r.at for r in records] == [START, START + timedelta(seconds=1)]


def test_naive_timestamps_need_a_zone(tmp_path: Path, window: Span, split: Split) -> None:
    at = pa.array([START.replace(tzinfo=None)], pa.timestamp("us"))
    path = _write(tmp_path / "log.parquet", {"at": at})
    assert [r.reason for r in split(FileSource(path).read(*window))[1]] == ["naive_timestamp"]
    assert len(split(FileSource(path, timezone="UTC").read(*window))[0]) == 1


def test_values_that_python_cannot_hold_cost_their_row(tmp_path: Path, window: Span, split: Split) -> None:
    now = int(START.timestamp() * 1000)
    at = pa.array([now, 2**60, now]).cast(pa.timestamp("ms", "UTC"))  # the second is far beyond the year 9999
    text = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(np.array([0, 1, 2, 3], "<i4").tobytes()), pa.py_buffer(b"ab\xff")]
    )
    path = _write(tmp_path / "log.parquet", {"at": at, "text": text})
    records, rejections = split(FileSource(path).read(*window))
    assert [r.text for r in records] == ["a"]
    assert [r.reason for r in rejections] == ["bad_time", "bad_text"]


def test_other_types(tmp_path: Path, window: Span, split: Split) -> None:
    hits = pa.array([[{"id": 7, "score": 0.5}]])
    columns = {
        "hits": hits,
        "segments": pa.array([{"lang": "de"}]),
        "model": pa.array(["m"]).dictionary_encode(),
        "feedback": pa.array([{"stars": Decimal("4.5")}]),
    }
    [record], rejections = split(FileSource(_write(tmp_path / "log.parquet", columns)).read(*window))
    assert rejections == []
    assert (record.hits, record.scores, record.segments) == (("7",), (0.5,), {"lang": "de"})
    assert (record.model, record.feedback) == ("m", {"stars": 4.5})


def test_hostile_column_names(tmp_path: Path, window: Span, split: Split) -> None:
    for name in ("a.b", 'a"b', "größe 数", "list.element"):
        path = _write(tmp_path / "log.parquet", {name: pa.array(["how?"])})
        source = FileSource(path, columns={"id": "id", "at": "at", "text": name})
        assert [r.text for r in split(source.read(*window))[0]] == ["how?"]


def test_row_groups_of_other_windows_are_not_read(
    tmp_path: Path, window: Span, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = pa.array([START + timedelta(minutes=i) for i in range(60)])
    path = _write(tmp_path / "log.parquet", {"at": at}, row_group_size=10)
    asked: list[list[int]] = []
    whole = pq.ParquetFile.iter_batches

    def spy(file: Any, size: int, *, row_groups: list[int], **options: Any) -> Any:
        if size > 1:  # one row is read of each, to be sure of its statistics
            asked.append(row_groups)
        return whole(file, size, row_groups=row_groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    records, _ = split(FileSource(path).read(START + timedelta(minutes=15), START + timedelta(minutes=30)))
    assert [r.id for r in records] == [f"q{i}" for i in range(15, 30)]
    assert asked == [[1], [2]]


def test_rows_keep_their_number_when_groups_are_passed_over(tmp_path: Path, split: Split) -> None:
    at = pa.array([START + timedelta(minutes=i) for i in range(60)])
    text = pa.array(range(60))  # numbers: bad_text
    path = _write(tmp_path / "log.parquet", {"at": at, "text": text}, row_group_size=10)
    begin = START + timedelta(minutes=59)
    [rejection] = split(FileSource(path).read(begin, begin + timedelta(minutes=1)))[1]
    assert rejection.where == f"{path}:row 60"


def test_a_row_without_a_time_is_counted_once(tmp_path: Path, split: Split) -> None:
    times: list[datetime | None] = [START + timedelta(minutes=i) for i in range(20)]
    times[10] = None
    path = _write(
        tmp_path / "log.parquet", {"at": pa.array(times, pa.timestamp("us", "UTC"))}, row_group_size=5
    )
    counts = []
    for minute in range(0, 20, 5):
        begin = START + timedelta(minutes=minute)
        counts.append(len(split(FileSource(path).read(begin, begin + timedelta(minutes=5)))[1]))
    assert counts == [0, 1, 0, 0]  # it follows minute 9


def test_a_column_that_is_missing(tmp_path: Path, window: Span, split: Split) -> None:
    path = _write(tmp_path / "log.parquet", {"query": pa.array(["how?"])})
    with pytest.raises(
        ConfigError, match=r"source\.columns\.at: .* has no column 'when'; there is id, at, query"
    ):
        next(FileSource(path, columns={"at": "when"}).read(*window))
    source = FileSource(path, columns={"id": "id", "at": "at", "text": "qurey"})
    with pytest.raises(ConfigError, match=r"source\.columns\.text: .*did you mean 'query'"):
        source.describe()
    [record], _ = split(source.read(*window))  # an older file may lack what newer ones have
    assert record.text is None
    assert FileSource(path).describe().endswith("mapped id, at")


def test_an_absent_library_is_named(tmp_path: Path, window: Span, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path / "log.parquet", {"text": pa.array(["how?"])})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(EdgeError, match=r'pip install "retrieval-drift-monitor\[parquet\]"'):
        next(FileSource(path).read(*window))


def test_a_file_that_has_nothing_for_the_window_is_opened_once(
    tmp_path: Path, window: Span, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = START + timedelta(days=9)
    path = _write(tmp_path / "log.parquet", {"at": pa.array([later, later])})
    source = FileSource(path)
    assert split(source.read(*window)) == ([], [])
    opened: list[object] = []
    real = pq.ParquetFile

    def opening(place: object) -> Any:
        opened.append(place)
        return real(place)

    monkeypatch.setattr(pq, "ParquetFile", opening)
    assert split(source.read(*window)) == ([], [])
    assert opened == []
    records, _ = split(source.read(later, later + timedelta(hours=1)))
    assert (len(records), len(opened)) == (2, 1)
    # Written anew, it is another file.
    _write(tmp_path / "log.parquet", {"at": pa.array([START, START, later])})
    assert len(split(source.read(*window))[0]) == 2


def test_a_file_that_went_away_is_named(tmp_path: Path, window: Span) -> None:
    path = _write(tmp_path / "log.parquet", {"at": pa.array([START])})
    (tmp_path / "link.parquet").symlink_to(path)
    entries = FileSource(str(tmp_path / "link.parquet")).read(*window)
    (tmp_path / "log.parquet").unlink()
    with pytest.raises(EdgeError, match=r"link\.parquet"):
        list(entries)


def test_a_slice_of_lists_converts_its_own_values_only() -> None:
    lists = pa.array([["a"], None, ["b", "c"], [], ["d"]])
    assert _values(lists[2:], None) == [["b", "c"], [], ["d"]]
    assert _values(lists[1:2], None) == [None]
    fixed = pa.array([[1.0, 2.0], [3.0, 4.0], None, [5.0, 6.0]], pa.list_(pa.float64(), 2))
    assert _values(fixed[1:], None) == [[3.0, 4.0], None, [5.0, 6.0]]
    vectors = _values(pa.array([[1.0], [2.0, 3.0]])[1:], "vector")
    assert np.array_equal(np.array([*vectors]), [[2.0, 3.0]])


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2)]
)
def test_vectors_of_one_length_are_one_matrix(kind: Any) -> None:
    column = pa.array([[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]], kind)
    matrix = _values(column[1:], "vector")
    assert isinstance(matrix, np.ndarray)
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with_none = _values(pa.array([[9.0, 9.0], None, [3.0, 4.0]], kind)[1:], "vector")
    assert isinstance(with_none, list)
    absent, whole = with_none
    assert absent is None
    assert whole.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2)]
)
def test_scores_stay_end_to_end(kind: Any) -> None:
    column = pa.array([[9.0, 9.0], None, [1.0, 0.5], [0.25, None]], kind)
    scores = _values(column[1:], "scores")
    assert isinstance(scores, Ragged)
    absent, whole, holed = scores
    assert (absent, whole) == (None, (1.0, 0.5))
    assert holed is not None
    assert holed[0] == 0.25
    assert np.isnan(holed[1])
    assert [*_values(column[2:3], "scores")] == [(1.0, 0.5)]


@pytest.mark.parametrize("zone", [None, "UTC", "+02:00", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_every_unit_are_the_moments_that_arrow_has(unit: str, zone: str | None) -> None:
    moments = [None, datetime(2026, 3, 2, 14, 59, 59), datetime(1969, 12, 31)]  # noqa: DTZ001 that is the case
    column = pa.array(moments, pa.timestamp(unit)).cast(pa.timestamp(unit, zone))
    found = _values(column, None)
    assert found == [
        moment and (moment if zone is None else moment.replace(tzinfo=UTC)) for moment in moments
    ]
    assert found[1:] == _values(column[1:], None)


def test_a_timestamp_beyond_the_calendar_costs_its_own_row() -> None:
    column = pa.array([2**62, 0, None, -(2**62)], pa.timestamp("us", "UTC"))
    beyond, epoch, nothing, before = _values(column, None)
    assert (epoch, nothing) == (datetime(1970, 1, 1, tzinfo=UTC), None)
    assert not isinstance(beyond, int | float | str | datetime)
    assert before is beyond


def test_labels_may_be_a_map_a_struct_or_a_column_each(tmp_path: Path, window: Span, split: Split) -> None:
    labels = [{"tenant": "acme", "language": "en"}, None, {"tenant": "globex", "language": None}]
    pairs = [None if each is None else list(each.items()) for each in labels]
    tenant = pa.array([None if each is None else each["tenant"] for each in labels])
    wanted = [{"tenant": "acme", "language": "en"}, {}, {"tenant": "globex"}]
    columns: dict[str, Any] = {
        "map": pa.array(pairs, pa.map_(pa.string(), pa.string())),
        "struct": pa.array(labels),
        "tenant": tenant,
    }
    path = _write(tmp_path / "log.parquet", columns)
    for column in ("map", "struct"):
        records, rejections = split(FileSource(path, columns={"segments": column}).read(*window))
        assert ([dict(r.segments) for r in records], rejections) == (wanted, [])
    records, _ = split(FileSource(path, columns={"segments": {"client": "tenant"}}).read(*window))
    assert [dict(r.segments) for r in records] == [{"client": "acme"}, {}, {"client": "globex"}]
