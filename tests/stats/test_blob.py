from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from monitor.stats import blob

DTYPES = st.one_of(
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.boolean_dtypes(),
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
VALUES = st.dictionaries(
    st.text(max_size=8),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    max_size=4,
)


def forge(header: object, body: bytes = b"") -> bytes:
    """Bytes whose checksum is right and whose header is the forger's."""
    text = json.dumps(header).encode()
    return b"DMB1" + zlib.compress(len(text).to_bytes(4, "little") + text + body)


@given(values=VALUES, arrays=st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4))
def test_what_is_packed_comes_back(values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    got_values, got = blob.unpack(blob.pack(values, arrays))
    assert got_values == values
    assert got.keys() == arrays.keys()
    for name, array in arrays.items():
        assert got[name].shape == array.shape
        assert got[name].dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(got[name], array)


def test_layout_in_memory_does_not_matter() -> None:
    array = np.arange(12.0).reshape(3, 4)
    assert blob.pack({}, {"x": np.asfortranarray(array)}) == blob.pack({}, {"x": array})
    assert blob.pack({}, {"x": array.astype(">f8")}) == blob.pack({}, {"x": array})
    np.testing.assert_array_equal(
        blob.unpack(blob.pack({}, {"x": array[::-2, ::2]}))[1]["x"], array[::-2, ::2]
    )


def test_the_order_of_names_does_not_matter() -> None:
    a, b = np.arange(2), np.arange(3)
    assert blob.pack({"x": 1, "y": 2}, {"a": a, "b": b}) == blob.pack({"y": 2, "x": 1}, {"b": b, "a": a})


def test_unpacked_arrays_are_read_only() -> None:
    array = blob.unpack(blob.pack({}, {"x": np.arange(3)}))[1]["x"]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 7


@pytest.mark.parametrize(
    "array",
    [np.array([object()]), np.array(["text"]), np.array([1j]), np.array([np.datetime64("2026-03-02")])],
)
def test_only_plain_numbers_are_packed(array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="only plain numbers"):
        blob.pack({}, {"x": array})


@pytest.mark.parametrize("dtype", ["|O", "<M8[s]", "|V8", "<U4", "<c16"])
def test_other_dtypes_are_refused_on_the_way_back(dtype: str) -> None:
    with pytest.raises(ValueError, match="claims dtype"):
        blob.unpack(forge({"values": {}, "arrays": [["x", dtype, [0]]]}))


@given(st.data())
def test_damaged_bytes_are_refused(data: st.DataObject) -> None:
    good = blob.pack({"n": 3}, {"x": np.arange(40.0)})
    place = data.draw(st.integers(0, len(good) - 1))
    flip = data.draw(st.integers(1, 255))
    rest = data.draw(st.sampled_from([b"", bytes([good[place] ^ flip]) + good[place + 1 :]]))
    bad = good[:place] + rest
    try:
        values, arrays = blob.unpack(bad)
    except ValueError:
        return
    # A bit of zlib's own header may flip without any harm; then nothing else may differ.
    assert values == {"n": 3}
    np.testing.assert_array_equal(arrays["x"], np.arange(40.0))


@pytest.mark.parametrize(
    "header",
    [
        [],
        {},
        5,
        {"values": {}},
        {"values": 3, "arrays": []},
        {"values": {}, "arrays": 5},
        {"values": {}, "arrays": [["x", "<f8"]]},
        {"values": {}, "arrays": [["x", "bogus", [0]]]},
        {"values": {}, "arrays": [["x", "<f8", [-1]]]},
        {"values": {}, "arrays": [["x", "<f8", ["two"]]]},
        {"values": {}, "arrays": [["x", "<f8", [3]]]},
        {"values": {}, "arrays": [["x", "<f8", [1]]]},
    ],
)
def test_a_header_that_does_not_fit_is_refused(header: object) -> None:
    with pytest.raises(ValueError, match="damaged"):
        blob.unpack(forge(header, bytes(16)))


@pytest.mark.parametrize("data", [b"", b"DMB", b"PK\x03\x04 something else", b"\x80\x04pickle"])
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a driftmon blob"):
        blob.unpack(data)
