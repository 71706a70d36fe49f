import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from soil_pyg.utils import files, progress
from soil_pyg.utils.files import (
    atomic_folder,
    atomic_path,
    bytes_digest,
    file_digest,
    user_cache,
    write_json,
    write_text,
)

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    old = os.umask(0o022)
    yield
    os.umask(old)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Records the paths that are synced and moved, in order."""
    recorded: list[tuple[str, ...]] = []
    opened: dict[int, str] = {}
    open_file, fsync, replace = os.open, os.fsync, os.replace

    def record_open(path: Path, *options: int, **named: int) -> int:
        descriptor = open_file(path, *options, **named)
        opened[descriptor] = str(path)
        return descriptor

    def record_sync(descriptor: int) -> None:
        recorded.append(("fsync", opened[descriptor]))
        fsync(descriptor)

    def record_replace(source: Path, target: Path) -> None:
        recorded.append(("replace", str(source), str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "open", record_open)
    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_replace)
    return recorded


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_to(
    write: Callable[[Path], AbstractContextManager[Path]], path: Path, error: BaseException
) -> None:
    """Fails after something was written to the temporary path."""
    with write(path) as temporary:
        (temporary / "half" if temporary.is_dir() else temporary).write_text("half")
        raise error


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_written_with_the_mode_of_the_umask(kind: type, tmp_path: Path) -> None:
    path = tmp_path / "tea.txt"
    for content in ("old", "nëw"):
        write_text(kind(path), content)
        assert path.read_bytes() == content.encode()
    assert names(tmp_path) == ["tea.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_text("tea.txt", "tea")
    with atomic_folder("new") as folder:
        write_text(folder / "milk.txt", "milk")
    assert Path("tea.txt").read_text() == "tea"
    assert Path("new", "milk.txt").read_text() == "milk"
    assert names(tmp_path) == ["new", "tea.txt"]


def test_a_file_that_another_library_creates_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "x") as temporary:
        save_file({"x": torch.ones(2)}, temporary)
        temporary.chmod(0o600)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


def test_the_content_is_synced_before_the_name_and_the_folder_after(
    tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    write_text(tmp_path / "tea.txt", "tea")
    (_, temporary), *rest = calls
    assert Path(temporary).parent.parent == tmp_path
    assert rest == [
        ("fsync", str(Path(temporary).parent)),
        ("replace", temporary, str(tmp_path / "tea.txt")),
        ("fsync", str(tmp_path)),
    ]


def test_a_folder_is_synced_before_its_name_and_all_new_parents_after(
    tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    out = tmp_path / "a" / "b" / "new"
    with atomic_folder(out) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "tea.txt").write_text("tea")
    calls[:] = [call for call in calls if "tea.txt." not in call[1]]
    moved = calls.index(("replace", str(folder), str(out)))
    assert {call[1] for call in calls[:moved]} == {
        *(str(folder), str(folder / "sub"), str(folder / "sub" / "tea.txt"))
    }
    assert calls[moved + 1 :] == [
        ("fsync", str(path)) for path in (out.parent, out.parent.parent, tmp_path)
    ]
    assert (out / "sub" / "tea.txt").read_text() == "tea"


@pytest.mark.parametrize("error", [FULL, ValueError("x"), KeyboardInterrupt()])
@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("write", [atomic_path, atomic_folder])
def test_nothing_changes_if_the_block_fails(
    write: Callable, is_there: bool, error: BaseException, tmp_path: Path
) -> None:
    path = tmp_path / ("x" if write is atomic_path or is_there else "a/b/x")
    if is_there:
        with write(path) as temporary:
            (temporary / "old" if temporary.is_dir() else temporary).write_text("old")
    with pytest.raises(type(error)):
        fail_to(write, path, error)
    assert names(tmp_path) == ["x"] * is_there
    if is_there:
        assert (path / "old" if path.is_dir() else path).read_text() == "old"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("write", [atomic_path, atomic_folder])
def test_the_old_content_stays_if_the_new_cannot_be_put_in_place(
    write: Callable, failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    with write(path) as temporary:
        (temporary / "file" if temporary.is_dir() else temporary).write_text("old")
    original = getattr(os, failing)

    def fail(*arguments: object) -> None:
        if failing == "fsync" or ".tmp" in str(arguments[0]):
            raise OSError(errno.EIO, "Input/output error", *map(str, arguments[1:]))
        original(*arguments)

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="Input/output error"), write(path) as temporary:
        (temporary / "file" if temporary.is_dir() else temporary).write_text("new")
    assert names(tmp_path) == ["x"]
    assert (path / "file" if path.is_dir() else path).read_text() == "old"


def test_a_system_that_cannot_sync_folders_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    write_text(tmp_path / "tea.txt", "tea")
    with atomic_folder(tmp_path / "new"):
        pass
    assert names(tmp_path) == ["new", "tea.txt"]


@pytest.mark.parametrize("write", [atomic_path, atomic_folder])
def test_errors_name_the_path_that_was_asked_for(write: Callable, tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(OSError, match="No space left") as error:
        fail_to(write, path, FULL)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    with pytest.raises(PermissionError) as error, write(path) as temporary:
        raise PermissionError(errno.EACCES, "Permission denied", str(temporary))
    assert error.value.filename == str(path)
    for other in (OSError("no number"), OSError(errno.EIO, "Input/output error", "other")):
        with pytest.raises(OSError, match=str(other).replace("[", r"\[")) as error:
            fail_to(write, path, other)
        assert error.value is other


@pytest.mark.parametrize("parent", ["absent", "file"])
def test_a_file_needs_a_folder(parent: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / parent / "x"
    with pytest.raises((FileNotFoundError, NotADirectoryError)) as error:
        write_text(path, "x")
    assert error.value.filename == str(path)
    assert names(tmp_path) == ["file"]


def test_a_place_that_must_not_be_taken_stays_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "x"

    def check() -> None:
        if out.exists():
            raise ValueError("taken")

    def write() -> None:
        with atomic_folder(out, check):
            out.mkdir()
            (out / "file").touch()

    for _ in range(2):
        with pytest.raises(ValueError, match="taken"):
            write()
    assert names(tmp_path) == ["x"]
    assert names(out) == ["file"]


def test_a_folder_that_another_process_has_written_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, replace = tmp_path / "x", os.replace
    out.mkdir()
    (out / "old").touch()

    def replace_late(source: Path, target: Path) -> None:
        if str(source).endswith(".tmp"):
            out.mkdir()
            (out / "other").touch()
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_late)
    with (
        pytest.raises(FileExistsError, match=r"Another process .*repeat .*/x'"),
        atomic_folder(out),
    ):
        pass
    assert names(tmp_path) == ["x"]
    assert names(out) == ["other"]


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x.json"
    # Such is the name of a file that is no UTF-8.
    for value, indent in ({"ä": [1, None]}, 1), (["caf\udce9"], 1), ([0.1], None):
        write_json(path, value, indent)
        assert json.loads(path.read_text("utf-8")) == value
    assert path.read_text() == "[0.1]\n"
    with pytest.raises(ValueError, match="nan"):
        write_json(path, float("nan"))
    assert names(path.parent) == ["x.json"]


def test_digests_are_those_of_the_whole_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 10
    expected = hashlib.sha256(content).hexdigest()
    assert bytes_digest([content[:100], memoryview(content)[100:]]) == expected
    (tmp_path / "file").write_bytes(content)
    for size in (files.BLOCK_BYTES, 999, 1280):
        monkeypatch.setattr(files, "BLOCK_BYTES", size)
        assert file_digest(tmp_path / "file") == file_digest(str(tmp_path / "file")) == expected
    (tmp_path / "empty").touch()
    assert file_digest(tmp_path / "empty") == hashlib.sha256().hexdigest()


def test_a_slow_digest_shows_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(30))
    monkeypatch.setattr(files, "BLOCK_BYTES", 10)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    file_digest(tmp_path / "large.bin")
    out, error = capfd.readouterr()
    assert out == ""
    assert "large.bin" in error


def test_the_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    at_home = tmp_path / ".cache" / "soil_pyg"
    for value, expected in (("/cache", Path("/cache/soil_pyg")), ("relative", at_home)):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert user_cache() == expected
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == at_home


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tea.txt").symlink_to(tmp_path / "elsewhere" / "tea.txt")
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere" / "folder")
    for content in ("old", "new"):
        write_text(tmp_path / "tea.txt", content)
        with atomic_folder(tmp_path / "folder") as folder:
            write_text(folder / "milk.txt", content)
    assert (tmp_path / "tea.txt").is_symlink()
    assert (tmp_path / "folder").is_symlink()
    assert (tmp_path / "elsewhere" / "tea.txt").read_text() == "new"
    assert (tmp_path / "elsewhere" / "folder" / "milk.txt").read_text() == "new"
    assert names(tmp_path / "elsewhere") == ["folder", "tea.txt"]
    assert names(tmp_path) == ["elsewhere", "folder", "tea.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="requires named pipes")
def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(tmp_path / "pipe", "tea")
        assert os.read(reader, 10) == b"tea"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["pipe"]
