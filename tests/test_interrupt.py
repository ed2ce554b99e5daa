"""Stopping between two steps, by real signals."""

import signal

import pytest

from ftso_cli.interrupt import asked_to_stop


def test_ctrl_c_that_is_handed_on_as_another_signal_waits_for_the_step_too() -> None:
    with pytest.raises(KeyboardInterrupt), asked_to_stop() as interrupt:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        finished = interrupt.asked
    assert finished


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_signal_twice_ends_the_step_at_once(number: int) -> None:
    finished = False
    with pytest.raises(KeyboardInterrupt), asked_to_stop():
        signal.raise_signal(number)
        signal.raise_signal(number)
        finished = True
    assert not finished
