"""Plug-ins as a third party would write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from monitor.records import CorpusSample, Ranking, Reading, VectorArray


@dataclass(frozen=True, slots=True)
class ShopIndex:
    """An index that knows one metric only, so it has no field for it."""

    url: SecretStr
    shelves: int = 3
    kind: Literal["flat", "tree"] = "flat"
    label: str = "shop"
    password: str = ""
    opened: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.shelves < 1:
            raise ValueError(f"shelves must be at least 1, not {self.shelves}")

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        raise NotImplementedError

    def sample(self, n: int) -> CorpusSample:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Freshness:
    """A detector of one's own."""

    name: str = "freshness"
    signal: str = "corpus"
    hours: float = 24.0

    def measure(self, baseline: object, profile: object) -> Reading:
        return Reading(self.name, self.signal, 0.0, 0, status="insufficient")
