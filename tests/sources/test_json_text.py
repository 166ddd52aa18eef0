"""The fast parser says what the standard library says."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.sources.json_text import load_json, load_numbers
from monitor.sources.values import FlawError, read_hits

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXTS = st.builds(json.dumps, VALUES) | st.text(alphabet='[]{}":,.0123456789eE+- \\undNaIfity', max_size=60)


def _outcome(load: Any, content: Any) -> str:
    try:
        return repr(load(content))  # with the types: 1 and 1.0 are not the same id
    except (ValueError, RecursionError) as error:
        return type(error).__name__


@settings(max_examples=1000)
@given(text=TEXTS)
@example(text="18446744073709551616")
@example(text="[-9223372036854775809]")
@example(text='{"id": 100000000000000000001, "vector": [0.0012345678901234567]}')
@example(text='"\\ud800"')
@example(text="1e400")
@example(text="-0")
@example(text='{"a": 1, "a": 2}')
@example(text="[" * 5000)
@example(text=" [1] ")
def test_it_reads_what_the_standard_library_reads(text: str) -> None:
    assert _outcome(load_json, text.encode()) == _outcome(json.loads, text)


def test_a_byte_order_mark_and_broken_utf8() -> None:
    assert load_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    with pytest.raises(UnicodeDecodeError):
        load_json(b'{"a": "\xff"}')


@given(numbers=st.lists(st.floats() | st.integers()))
def test_numbers_are_the_same_numbers(numbers: list[float]) -> None:
    found, expected = load_numbers(json.dumps(numbers)), json.loads(json.dumps(numbers))
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-15) or (math.isnan(one) and math.isnan(other))


def test_an_id_of_many_digits_is_read_whole() -> None:
    assert read_hits("[184467440737095516160, 7]") == (("184467440737095516160", "7"), None)
    assert read_hits('[{"id": 184467440737095516160, "score": 0.5}]') == (("184467440737095516160",), [0.5])


def test_json_inside_json_is_no_list_of_hits() -> None:
    with pytest.raises(FlawError, match="bad_hits"):
        read_hits(json.dumps(json.dumps(["d1"])))
