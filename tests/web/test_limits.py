from __future__ import annotations

import math
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.web.limits import Buckets, Limits, network

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_is_let_through_and_then_the_rate(clock: Clock) -> None:
    buckets = Buckets(20.0, 40, 10, clock)
    assert [buckets.take("a") for _ in range(40)] == [0.0] * 40
    assert buckets.take("a") == pytest.approx(0.05)
    clock.now += 0.0501
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0.0
    assert buckets.take("b") == 0.0  # nobody pays for another
    clock.now += 3600
    assert sum(buckets.take("a") == 0.0 for _ in range(100)) == 40  # a pause saves up no more than the burst


def test_looking_at_a_bucket_takes_nothing(clock: Clock) -> None:
    buckets = Buckets(5.0, 1, 10, clock)
    assert [buckets.wait("a") for _ in range(10)] == [0.0] * 10
    assert buckets.take("a") == 0.0
    assert buckets.wait("a") == pytest.approx(0.2)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0.0, 2.0)), max_size=200))
def test_no_address_ever_gets_more_than_burst_plus_rate(asked: list[tuple[str, float]]) -> None:
    clock, let_in = Clock(), dict.fromkeys("abcdefgh", 0)
    buckets = Buckets(3.0, 5, 100, clock)
    for address, pause in asked:
        clock.now += pause
        let_in[address] += buckets.take(address) == 0.0
        assert let_in[address] <= 5 + 3.0 * (clock.now - 1000.0) + 1e-6


def test_ten_thousand_addresses_take_bounded_memory(clock: Clock) -> None:
    buckets = Buckets(20.0, 40, 1024, clock)

    def flood(offset: int) -> None:
        for i in range(10_000):
            clock.now += 1e-4
            buckets.take(f"10.{offset}.{i // 256}.{i % 256}")

    flood(0)
    assert len(buckets) == 1024
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        flood(1)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(buckets) == 1024
    assert after - before < 400_000


def test_who_still_asks_is_not_forgotten_for_the_crowd(clock: Clock) -> None:
    buckets = Buckets(0.001, 1, 8, clock)
    buckets.take("loud")
    for i in range(100):
        assert buckets.take("loud") > 0.0
        buckets.take(f"crowd {i}")


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_an_ipv6_client_is_counted_by_its_network(address: str, counted: str) -> None:
    assert network(address) == counted


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["requests_per_second", "burst", "connections", "wait_seconds"])
def test_a_limit_is_a_number_above_zero(name: str, value: float) -> None:
    make: Callable[..., Limits] = Limits
    with pytest.raises(ValueError, match=f"{name} is .*above 0"):
        make(**{name: value})
