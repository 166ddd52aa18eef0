"""Deterministic, mergeable sampling by hash of the id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def hash_id(identifier: str) -> int:
    """Return the 64-bit hash of an id: the first 16 hexadecimal digits of the MD5 of its UTF-8 bytes.

    MD5, because every SQL engine has it (``ORDER BY md5(id::text)`` gives the same order), and nothing here
    is a secret.

    >>> hex(hash_id("asyncio.gather"))[:6]
    '0x4c86'
    """
    return int.from_bytes(_digest(identifier)[:8], "big")


def hash_ids(identifiers: Sequence[str]) -> NDArray[np.uint64]:
    """Return the hashes of many ids as ``(n,)`` uint64."""
    digests = b"".join([_digest(identifier) for identifier in identifiers])
    return np.frombuffer(digests, dtype=">u8")[::2].astype(np.uint64)


def _digest(identifier: str) -> bytes:
    return hashlib.md5(identifier.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()


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
