import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from soil_pyg.cli.parser import HelpShown
from soil_pyg.cli.run_command import LONGEST, run_command


def failing(error: BaseException) -> Callable[[], int]:
    def body() -> int:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("after epoch 3"), 130, "interrupted: after epoch 3"),
        (SystemExit(0), 2, "ended the command: sys.exit(0)"),
        (SystemExit("text"), 2, "ended the command: sys.exit('text')"),
        (ValueError("'k' must be\n  at least 1\x1b[31m\x00"), 2, r"at least 1\x1b[31m\x00"),
        (ZeroDivisionError("by zero"), 1, "internal error: ZeroDivisionError: by zero"),
    ],
)
def test_an_error_is_one_line(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("prog", failing(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("prog: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("found", [None, 0, 3])
def test_the_body_chooses_the_exit_code(found: int | None) -> None:
    assert run_command("prog", lambda: found) == (found or 0)
    assert run_command("prog", failing(HelpShown(0))) == 0


def test_a_long_message_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("prog", failing(ValueError("'name' " + "[" * 10**6 + "end"))) == 2
    error = capsys.readouterr().err
    assert error.startswith("prog: 'name' [")
    assert error.endswith("[end\n")
    assert len(error) < LONGEST + 100


def test_the_traceback_is_shown_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOIL_PYG_TRACEBACK", "1")
    assert run_command("prog", failing(ZeroDivisionError("by zero"))) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert "ZeroDivisionError: by zero" in lines
    assert lines[-1].startswith("prog: ")


@pytest.mark.parametrize(
    ("redirection", "code", "errors"),
    [
        (">&-", 0, 0),
        (">/dev/full", 2, 1),
        (">/dev/full 2>&-", 2, 0),
        ("| true", 1, 0),
        ("2>&-", 0, 0),
    ],
)
def test_output_that_cannot_be_written(redirection: str, code: int, errors: int) -> None:
    script = """
import sys
from soil_pyg.cli.run_command import run_command

def body():
    if sys.stdout is not None:
        for _ in range(10**5):
            sys.stdout.write("line\\n")

sys.exit(run_command("prog", body))
"""
    command = f'set -o pipefail; "{sys.executable}" -c "$SCRIPT" {redirection}'
    result = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | {"SCRIPT": script},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr.count("\n")) == (code, errors), result.stderr
