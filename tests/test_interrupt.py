"""Stopping between two steps, by real signals."""

import signal
import subprocess
import sys

import pytest

from ftso_cli.interrupt import deferred_interrupt
from tests.processes import ROOT


def test_ctrl_c_that_is_handed_on_as_another_signal_waits_for_the_step_too() -> None:
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        finished = interrupt.asked
    assert finished


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_signal_twice_ends_the_step_at_once(number: int) -> None:
    finished = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        signal.raise_signal(number)
        signal.raise_signal(number)
        finished = True
    assert not finished


def test_work_in_threads_takes_no_notice_of_a_second_time() -> None:
    finished = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupt(patient=True) as interrupt:
        for _ in range(5):
            signal.raise_signal(signal.SIGINT)
        finished = interrupt.asked
    assert finished


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminals that hang up")
def test_a_signal_that_is_ignored_stays_so() -> None:
    """As SIGHUP does under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred_interrupt() as interrupt:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupt.asked
    finally:
        signal.signal(signal.SIGHUP, before)


INSISTING = """
import os, signal
from ftso_cli.interrupt import deferred_interrupt, interrupt_once
signal.signal(signal.SIGINT, interrupt_once)
try:
    with deferred_interrupt(patient={patient}):
        for _ in range({times}):
            os.kill(os.getpid(), signal.SIGINT)
        print("finished", flush=True)
except KeyboardInterrupt:
    print("in order", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("never", flush=True)
"""


@pytest.mark.parametrize(
    ("patient", "times", "said"),
    [
        (False, 1, ["finished", "in order"]),
        (False, 2, ["in order"]),
        (True, 2, ["finished", "in order"]),
        (True, 3, []),
    ],
)
def test_the_program_leaves_at_a_further_time_with_one_line(patient: bool, times: int, said: list[str]) -> None:
    code = INSISTING.format(patient=patient, times=times)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")
    assert done.stdout.split("\n")[:-1] == said
