"""Tests of the traces that killed processes leave, and of their removal by the next write."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from soil_pyg.utils import workplace
from soil_pyg.utils.files import atomic_folder, write_text
from soil_pyg.utils.workplace import remove_debris

pytestmark = pytest.mark.skipif(workplace.fcntl is None, reason="requires locks for folders")

WRITES = {
    "file": """
        with atomic_path("x") as temporary:
            temporary.write_text("half")
            wait()
        """,
    "folder": """
        with atomic_folder("x") as temporary:
            (temporary / "y").write_text("half")
            wait()
        """,
    "between the renames": """
        replace = os.replace
        os.replace = lambda source, target: (
            wait() if str(target).endswith("x") else replace(source, target)
        )
        with atomic_folder("x") as temporary:
            (temporary / "y").write_text("new")
        """,
    "after the renames": """
        workplace.shutil.rmtree = lambda *arguments, **options: wait()
        with atomic_folder("x") as temporary:
            (temporary / "y").write_text("new")
        """,
}
"""Programs that write to \"x\" and stop in the midst of it."""


def start(kind: str, folder: Path) -> subprocess.Popen:
    """Starts a program and returns it when it has stopped in the midst of a write."""
    program = """
        import os, sys, time
        from soil_pyg.utils import workplace
        from soil_pyg.utils.files import atomic_folder, atomic_path
        def wait():
            print("ready", flush=True)
            time.sleep(100)
        """
    code = textwrap.dedent(program) + textwrap.dedent(WRITES[kind])
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write(kind: str, folder: Path, content: str) -> None:
    if kind == "file":
        write_text(folder / "x", content)
    else:
        with atomic_folder(folder / "x") as temporary:
            (temporary / "y").write_text(content)


def content(folder: Path) -> str:
    path = folder / "x"
    return (path / "y" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("kind", WRITES)
def test_the_next_write_removes_what_a_killed_one_left(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path, "old")
    kill(start(kind, tmp_path))
    assert names(tmp_path) != {"x"}
    write(kind, tmp_path, "newer")
    assert names(tmp_path) == {"x"}
    assert content(tmp_path) == "newer"


@pytest.mark.parametrize("kind", WRITES)
def test_a_folder_is_put_back_where_a_write_was_killed(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path, "old")
    kill(start(kind, tmp_path))
    assert (tmp_path / "x").exists() == (kind != "between the renames")
    remove_debris(tmp_path)
    assert names(tmp_path) == {"x"}
    assert content(tmp_path) == ("new" if kind == "after the renames" else "old")


@pytest.mark.parametrize("kind", WRITES)
def test_what_a_living_process_writes_stays(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path, "old")
    process = start(kind, tmp_path)
    try:
        before = names(tmp_path)
        remove_debris(tmp_path)
        assert names(tmp_path) == before
    finally:
        kill(process)


def test_names_of_others_stay(tmp_path: Path) -> None:
    digits = "0123456789abcdef" * 2
    others = {f".y.{digits}.tmp", f".x.{digits[1:]}.tmp", f"x.{digits}.tmp", f".x.{digits}.part"}
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / f".x.{digits}.tmp").write_text("a file")
    (tmp_path / f".x.{digits}.old").symlink_to(tmp_path / f".y.{digits}.tmp")
    before = names(tmp_path)
    write_text(tmp_path / "x", "new")
    assert names(tmp_path) == before | {"x"}
    remove_debris(tmp_path)
    assert names(tmp_path) == (before | {"x"}) - {f".y.{digits}.tmp"}
    remove_debris(tmp_path / "absent")


@pytest.mark.parametrize("without", ["locks for folders", "any locks"])
def test_without_locks_debris_stays(
    without: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(start("file", tmp_path))
    left = names(tmp_path)

    def refuse(*_: int) -> None:
        raise OSError("No locks available")

    if without == "any locks":
        monkeypatch.setattr(workplace, "fcntl", None)
    else:
        monkeypatch.setattr(workplace.fcntl, "flock", refuse)
    for kind in ("file", "folder"):
        (tmp_path / kind).mkdir()
        write(kind, tmp_path / kind, "old")
        write(kind, tmp_path / kind, "new")
        assert names(tmp_path / kind) == {"x"}
        assert content(tmp_path / kind) == "new"
    write("file", tmp_path, "new")
    assert names(tmp_path) == left | {"x", "file", "folder"}


def test_a_place_that_is_taken_for_debris_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, calls = workplace._lock, iter("ab")

    def be_late(folder: Path) -> int | None:
        match next(calls, None):
            case "a":
                other = lock(folder)
                assert other is not None
                try:
                    return lock(folder)
                finally:
                    workplace._unlock(other)
            case "b":
                folder.rmdir()
        return lock(folder)

    monkeypatch.setattr(workplace, "_lock", be_late)
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"
    monkeypatch.undo()
    remove_debris(tmp_path)
    assert names(tmp_path) == {"x"}
