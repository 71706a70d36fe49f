import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from soil_pyg.cli.errors import FAILED, TRACEBACK, WRONG_INPUT, outcome_of
from soil_pyg.cli.parser import HelpShown
from soil_pyg.utils.progress import status
from soil_pyg.utils.signals import EXIT_CODE, ignore_signals, received_signal

DONE = 0
LONGEST = 2000
"""The number of characters that are shown of an error."""


def run_command(prog: str, body: Callable[[], int | None], argv: list[str] | None = None) -> int:
    """Runs the body of a command and returns the exit code. An error ends as one line on standard
    error.

    Args:
        prog (str): The name of the command in its messages.
        body (callable): Returns the exit code, or :obj:`None` for success.
        argv (list[str], optional): The command line, which names the flags with large values if
            there is no memory. (default: :obj:`None`)
    """
    code = DONE
    try:
        with suppress(HelpShown):
            code = body() or DONE
        # Buffered output can still fail to be written.
        if sys.stdout is not None:
            sys.stdout.flush()
        ignore_signals()
    except KeyboardInterrupt as interruption:
        ignore_signals()
        number = getattr(interruption, "number", signal.SIGINT)
        text = ": ".join(["interrupted", *map(str, interruption.args)])
        return _fail(prog, text, EXIT_CODE + number)
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does.
        _discard_output()
        return FAILED
    except SystemExit as stop:
        text = f"a module that was imported has ended the command: sys.exit({stop.code!r})"
        return _fail(prog, text, WRONG_INPUT)
    except Exception as error:
        # Some libraries replace an interruption by an error of their own.
        if number := received_signal():
            ignore_signals()
            return _fail(prog, "interrupted", EXIT_CODE + number)
        if TRACEBACK in os.environ:
            traceback.print_exc()
        outcome = outcome_of(error, argv or [])
        return _fail(prog, outcome.message, outcome.exit_code)
    return code


def _fail(prog: str, message: str, code: int) -> int:
    status.clear()
    line = " ".join(message.split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    # Standard error may be closed.
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"{prog}: {line}\n")
    with suppress(OSError, AttributeError):
        sys.stdout.flush()
        return code
    _discard_output()
    return code


def _discard_output() -> None:
    with suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
