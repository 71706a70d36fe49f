import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from soil_pyg.training import join_processes as module
from soil_pyg.training.join_processes import LAUNCHER, join_processes


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exit codes with which the process would have ended."""
    codes: list[int] = []
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(module.os, "_exit", codes.append)
    monkeypatch.setenv(LAUNCHER, "")
    return codes


def fabric(ended: list[int], seconds: float, size: int = 2) -> SimpleNamespace:
    def launch() -> None:
        deadline = time.monotonic() + seconds
        while not ended and time.monotonic() < deadline:
            time.sleep(0.01)

    return SimpleNamespace(world_size=size, launch=launch)


def end_of_another_process() -> str:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return str(process.pid)


@pytest.mark.skipif(os.name != "posix", reason="processes are not seen elsewhere")
def test_a_process_ends_with_the_one_that_started_it(
    ended: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv(LAUNCHER, str(os.getpid()))
    join_processes(fabric(ended, 0.2))  # type: ignore[arg-type]
    assert ended == []
    monkeypatch.setenv(LAUNCHER, end_of_another_process())
    join_processes(fabric(ended, 0.2, size=1))  # type: ignore[arg-type]
    assert ended == []
    join_processes(fabric(ended, 30))  # type: ignore[arg-type]
    assert set(ended) == {1}
    assert "Process 1 has waited in vain" in capsys.readouterr().err


def test_a_process_does_not_wait_for_ever(
    ended: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.05)
    join_processes(fabric(ended, 30))  # type: ignore[arg-type]
    assert set(ended) == {1}
    assert os.environ[LAUNCHER] == str(os.getpid())
