import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from soil_pyg.utils import signals

START = """
import os, signal, sys, time
from soil_pyg.utils.signals import *

def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)
        time.sleep(0.01)

number = int(sys.argv[1])
exit_on_signals("prog")
"""
ENDS = ["SIGINT", "SIGTERM", "SIGHUP"]


def run(script: str, name: str = "SIGTERM", **options: object) -> tuple[int, str, str]:
    """Runs a script as a command and returns its exit code, output and errors."""
    number = getattr(signal, name)
    result = subprocess.run(
        [sys.executable, "-c", START + script, str(int(number))],
        env=os.environ | {"PYTHONPATH": str(Path(signals.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=30,
        **options,  # type: ignore[call-overload]
    )
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize("name", ENDS)
def test_before_there_is_anything_to_clean_up(name: str) -> None:
    script = """
try:
    send(number)
finally:
    print("not reached")
"""
    assert run(script, name) == (128 + getattr(signal, name), "", "prog: interrupted\n")


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("again", ENDS)
def test_cleaning_up_is_not_interrupted_again(name: str, again: str) -> None:
    script = f"""
from contextlib import contextmanager, suppress

@contextmanager
def block():
    try:
        yield
    except BaseException:
        send(signal.{again})
        with suppress(OSError):
            raise OSError
        try:
            raise OSError
        except OSError:
            send(signal.{again})
        print("cleaned up")
        raise
    finally:
        send(signal.{again})

raise_on_signals()
try:
    with block():
        send(number)
except Interrupted as error:
    send(signal.{again})
    ignore_signals()
    code = 128 + error.number
send(signal.{again})
sys.exit(code)
"""
    assert run(script, name) == (128 + getattr(signal, name), "cleaned up\n", "")


def test_a_signal_that_was_caught_does_not_hide_the_next_one() -> None:
    script = """
raise_on_signals()
for _ in range(2):
    try:
        send(number)
    except KeyboardInterrupt as error:
        print(type(error).__name__, received_signal() == number)
"""
    assert run(script) == (0, "Interrupted True\nInterrupted True\n", "")


def test_a_signal_in_a_finalizer_is_not_lost() -> None:
    script = """
class Finalized:
    def __del__(self):
        send(number)

raise_on_signals()
try:
    Finalized()
    time.sleep(20)
except Interrupted:
    print("raised")
"""
    assert run(script) == (0, "raised\n", "")


def test_a_signal_that_the_parent_disabled_stays_disabled() -> None:
    script = """
send(number)
raise_on_signals()
send(number)
with signals_held():
    send(number)
ignore_signals()
print("done")
"""
    disable = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    assert run(script, "SIGHUP", **disable) == (0, "done\n", "")
    assert run(script, "SIGTERM", **disable)[0] == 143


def test_held_signals_come_after_the_block() -> None:
    script = """
raise_on_signals()
try:
    with signals_held():
        send(number, number)
        print("whole")
    print("not reached")
except Interrupted:
    print("raised")
"""
    assert run(script) == (0, "whole\nraised\n", "")


def test_the_signals_of_a_process_that_is_no_command_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    signals.raise_on_signals()
    signals.ignore_signals()
    with signals.signals_held():
        pass
    assert [signal.getsignal(number) for number in signals.SIGNALS] == before
    assert signals.received_signal() is None
