from __future__ import annotations

from monitor.pipeline import draw_sample
from monitor.records import Record, Rejection
from monitor.reservoir import Reservoir
from tests.core_fakes import world


def test_a_sample_may_be_looked_at_and_drawn_further() -> None:
    entries = [Record(f"q{i % 50}", world.START) for i in range(70)] + [Rejection("bad_id", "line 3")]
    reservoir = Reservoir(20)
    for entry in entries[:40]:
        reservoir.add(entry)
    assert reservoir.sample() == draw_sample(entries[:40], 20)
    for entry in entries[40:]:
        reservoir.add(entry)
    assert reservoir.sample() == draw_sample(entries, 20)
    assert len(reservoir.sample().records) == 20
