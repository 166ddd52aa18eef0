"""Deterministic, mergeable sampling by hash of the id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

try:
    # OpenSSL's sets a context up for every call, which takes four times as long as hashing the few bytes of an id.
    from _md5 import md5 as _md5  # type: ignore[import-not-found]  # a part of CPython without stubs
except ImportError:  # an interpreter that was built without its own
    from hashlib import md5

    _md5 = partial(md5, usedforsecurity=False)


def hash_id(identifier: str) -> int:
    """Return the 64-bit hash of an id: the first 16 hexadecimal digits of the MD5 of its UTF-8 bytes.

    MD5, because every SQL engine has it (``ORDER BY md5(id::text)`` gives the same order), and nothing here
    is a secret.

    >>> hex(hash_id("asyncio.gather"))[:6]
    '0x4c86'
    """
    return int(hash_ids([identifier])[0])


def hash_ids(identifiers: Sequence[str]) -> NDArray[np.uint64]:
    """Return the hashes of many ids as ``(n,)`` uint64."""
    digests = b"".join([_md5(i.encode("utf-8", "surrogatepass")).digest() for i in identifiers])
    return np.frombuffer(digests, dtype=">u8")[::2].astype(np.uint64)


def bottom_k(identifiers: Sequence[str], k: int) -> list[int]:
    """Return the positions of the k ids with the smallest hash, in hash order.

    The choice depends on the set of ids alone, not on their order, so retries and replicas agree, and the bottom-k
    of a union is the bottom-k of the bottom-ks (Cohen & Kaplan 2007, "Summarizing data using bottom-k sketches").

    >>> ids = ["a", "b", "c", "d"]
    >>> sorted(ids[i] for i in bottom_k(ids, 2)) == sorted(ids[::-1][i] for i in bottom_k(ids[::-1], 2))
    True
    """
    hashes = hash_ids(identifiers)
    order = np.argsort(hashes, kind="stable")[: max(k, 0)]
    return [int(i) for i in order]
