"""Daemons that no test leaves running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core_fakes.bench import Bench, Make, make_bench


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Bench] = []

    def open_bench(*names: str, **options: Any) -> Bench:
        opened.append(make_bench(tmp_path, *names, **options))
        return opened[-1]

    yield open_bench
    for bench in opened:
        bench.daemon.stop()  # a daemon that a failed test left running would keep the process alive
        bench.store.close()
