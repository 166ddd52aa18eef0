from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.stats.levels import count_levels

ROWS = arrays(
    np.float32,
    st.tuples(st.integers(0, 4), st.integers(0, 9)),
    elements=st.sampled_from([-0.0, 0.0, 0.5, 2.0, np.inf]),
)


@given(ROWS)
def test_levels_are_the_distinct_values(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    assert count_levels(rows).tolist() == [len(set(row.tolist())) for row in rows]


def test_what_is_no_number_is_counted_and_no_error() -> None:
    assert np.isfinite(count_levels(np.full((2, 3), np.nan, dtype=np.float32))).all()
