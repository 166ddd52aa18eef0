"""Named arrays and plain values as one compressed, self-describing, pickle-free blob."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"DMB1"
_KINDS = frozenset("iufb")


def pack(values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return JSON-able ``values`` and numeric ``arrays`` (any shape, little-endian on disk) as bytes.

    Raises
    ------
    ValueError
        When an array is not of a plain number type.
    """
    index, parts = [], []
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        if array.dtype.kind not in _KINDS:
            raise ValueError(f"array {name!r} has dtype {array.dtype}; only plain numbers are stored")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        index.append([name, array.dtype.str, list(array.shape)])
        parts.append(array.tobytes())
    header = json.dumps({"values": dict(values), "arrays": index}, sort_keys=True).encode()
    body = len(header).to_bytes(4, "little") + header + b"".join(parts)
    return _MAGIC + zlib.compress(body, 1)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what :func:`pack` stored; the arrays are read-only views.

    Raises
    ------
    ValueError
        When the bytes were not written by :func:`pack` or are damaged.

    Examples
    --------
    >>> values, arrays = unpack(pack({"n": 3}, {"x": np.arange(3)}))
    >>> values["n"], arrays["x"].tolist()
    (3, [0, 1, 2])
    """
    if data[:4] != _MAGIC:
        raise ValueError("not a driftmon blob: its first four bytes are not DMB1")
    try:
        return _parse(memoryview(zlib.decompress(data[4:])))
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"a damaged driftmon blob: {error}") from error


def _parse(body: memoryview) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    size = int.from_bytes(body[:4], "little")
    header = json.loads(bytes(body[4 : 4 + size]))
    arrays: dict[str, NDArray[Any]] = {}
    offset = 4 + size
    for name, dtype_name, shape in header["arrays"]:
        dtype = np.dtype(dtype_name)
        if dtype.kind not in _KINDS:
            raise ValueError(f"array {name!r} claims dtype {dtype_name!r}")
        count = math.prod(shape)
        if any(side < 0 for side in shape):  # frombuffer would take -1 for "all that is left"
            raise ValueError(f"array {name!r} claims shape {shape}")
        arrays[name] = np.frombuffer(body, dtype=dtype, count=count, offset=offset).reshape(shape)
        offset += count * dtype.itemsize
    if offset != len(body):
        raise ValueError(f"{len(body) - offset} bytes more than its header tells of")
    return dict(header["values"]), arrays
