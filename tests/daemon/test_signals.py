"""What a process is asked by signals, and from other threads."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from monitor.daemon.signals import WAKE, Signals

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_ends_the_wait_and_a_second_one_the_process(number: signal.Signals) -> None:
    signals = Signals()
    signals.take()
    signal.raise_signal(number)
    signals.wait_for_end()
    assert signal.getsignal(signal.SIGTERM) is signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert not signals.reload_asked


def test_sighup_asks_for_a_reload_every_time_and_ends_nothing() -> None:
    signals = Signals()
    signals.take()
    for _ in range(2):
        signal.raise_signal(signal.SIGHUP)
        assert signals.reload_asked
        signals.reload_asked = False
    waiting = threading.Thread(target=signals.wait_for_end, daemon=True)
    waiting.start()
    waiting.join(2 * WAKE)
    assert waiting.is_alive()
    signals.end()
    waiting.join(10)
    assert not waiting.is_alive()


def test_another_thread_takes_none() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    thread = threading.Thread(target=Signals().take)
    thread.start()
    thread.join()
    assert [signal.getsignal(number) for number in NUMBERS] == before
