import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from soil_bench.runs import guest
from soil_bench.runs.guest import Guest, GuestError

ECHO = """
import sys
from soil_bench.runs.host import Host, versions_of_distributions

def work(host):
    while True:
        message = host.hear()
        print("not an answer")
        if "sleep" in message:
            import time
            time.sleep(60)
        if "exit" in message:
            sys.exit(3)
        host.tell(number=1 / message["number"], versions=versions_of_distributions(["pip", "no"]))

sys.exit(Host().serve(work))
"""
Start = Callable[[], Guest]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    (tmp_path / "guest_echo.py").write_text(ECHO)
    monkeypatch.setattr(guest, "ROOTS", [*guest.ROOTS, tmp_path])
    return lambda: Guest(Path(sys.executable), "guest_echo", tmp_path / "log")


def test_messages_are_answered_and_prints_are_no_answers(start: Start, tmp_path: Path) -> None:
    with start() as echo:
        for number in (2, 4):
            assert echo.ask({"number": number}, 60)["number"] == 1 / number
        assert set(echo.ask({"number": 1})["versions"]) <= {"pip"}
        assert not echo.has_ended
    assert (tmp_path / "log").read_text() == "not an answer\n" * 3


def test_an_error_is_told(start: Start) -> None:
    with start() as echo:
        with pytest.raises(GuestError, match=r"^ZeroDivisionError: division"):
            echo.ask({"number": 0}, 60)
        with pytest.raises(GuestError, match="ended with code 1"):
            echo.ask({"number": 1}, 60)
        assert echo.has_ended


def test_an_end_is_told(start: Start) -> None:
    with start() as echo, pytest.raises(GuestError, match="ended with code 3"):
        echo.ask({"exit": 1}, 60)


def test_a_late_one_is_ended(start: Start) -> None:
    begin = time.monotonic()
    with start() as echo:
        echo.ask({"number": 1}, 60)
        with pytest.raises(GuestError, match=r"within 0\.2 s"):
            echo.ask({"sleep": 1}, 0.2)
    assert time.monotonic() - begin < 50
    assert echo.has_ended


def test_the_folders_hold_both_packages() -> None:
    assert (guest.ROOTS[0] / "soil_bench").is_dir()
    assert (guest.ROOTS[1] / "soil_pyg").is_dir()
