"""Signals that end a command: Ctrl-C, SIGTERM of a scheduler, SIGHUP of a closed terminal."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGNALS = [
    # Not every system has all of them.
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
]
EXIT_CODE = 128
"""The exit code after a signal, less the number of the signal."""
AGAIN_SECONDS = 0.01
_received: list[int] = []


class Interrupted(KeyboardInterrupt):
    """Ends a command because of a signal.

    Args:
        number (int): The number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_on_signals(prog: str | None = None) -> None:
    """Lets a signal end the process at once, while there is nothing to clean up.

    Signals that the parent process has disabled, as :obj:`nohup` does, stay disabled.

    Args:
        prog (str, optional): The program, which is named in a line on standard error.
            (default: no line)
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        if prog is not None:
            os.write(2, f"{prog}: interrupted\n".encode())
        os._exit(EXIT_CODE + number)

    _handle(end)


def raise_on_signals() -> None:
    """Lets a signal raise :class:`Interrupted` after :func:`exit_on_signals`; without it, as in a
    process that is no command, does nothing.
    """
    if _is_command():
        _handle(_raise)
        sys.unraisablehook = _raise_again(sys.unraisablehook)


def ignore_signals() -> None:
    """Disables signals after :func:`exit_on_signals`, when all that is left is to exit."""
    if _is_command():
        _handle(signal.SIG_IGN)


def received_signal() -> int | None:
    """Returns the number of the first signal that has raised :class:`Interrupted`, if any."""
    return _received[0] if _received else None


@contextmanager
def signals_held() -> Iterator[None]:
    """Holds signals back during a block that must not end halfway, and passes them on after it."""
    held: list[int] = []
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, lambda number, frame: held.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
        for number in held[:1]:
            signal.raise_signal(number)


def _is_command() -> bool:
    return any(
        getattr(signal.getsignal(number), "__module__", "") == __name__ for number in SIGNALS
    )


def _handle(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    error = sys.exc_info()[1]
    while error is not None:
        # The second Ctrl-C must not end what the first one has begun to clean up.
        if isinstance(error, Interrupted):
            return
        error = error.__context__
    _received.append(number)
    raise Interrupted(number)


def _raise_again(report: Callable[[Any], Any]) -> Callable[[Any], Any]:
    # In a finalizer or a callback of an import, Python reports an exception and goes on.
    def hook(unraisable: Any) -> None:
        error = unraisable.exc_value
        if isinstance(error, Interrupted):
            threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), error.number)).start()
        else:
            report(unraisable)

    return hook
