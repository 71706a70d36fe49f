"""Runs a wrong input through the real commands and functions and checks how it is refused."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from soil_pyg import cli

PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "soil-pyg": cli.main,
    "run.py": lambda argv: int(import_module("run").main(argv)),
    "page.py": lambda argv: int(import_module("page").main(argv)),
}
WRONG = Path("wrong")
"""The folder of the files that cases make, relative to the working directory."""


@dataclass(frozen=True)
class Case:
    """A wrong input, and what must be named by the line that refuses it.

    Args:
        command: The command line, quoted as for a shell, or the name of a function.
        kind: The kind of fault. The default run covers each pair of command and kind.
        names: Alternatives, one of which the message must contain; flags may have any style.
        make: Writes files to the folder :obj:`wrong` in the working directory.
        call: The call of the function, for a case of the Python API.
        family: What the case is one of, if that is not the command.
    """

    command: str
    kind: str
    names: tuple[str, ...]
    make: Callable[[], Any] | None = field(default=None, compare=False)
    call: Callable[[], Any] | None = field(default=None, compare=False)
    family: str = ""

    @property
    def words(self) -> list[str]:
        """The words of the command line."""
        return shlex.split(self.command)

    @property
    def group(self) -> str:
        """The program and its command, or the name of the function or of the family."""
        if self.family:
            return self.family
        words = [] if self.call else self.words
        is_named = len(words) > 1 and re.fullmatch(r"[a-z]\w*", words[1])
        return " ".join(words[: 2 if is_named else 1]) or self.command.partition("(")[0]

    def __str__(self) -> str:
        return f"{self.command} ({self.kind})"


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Returns the mode, the size and the time of every file and folder."""
    found = {}
    for path in walk(folder):
        state = path.lstat()
        # Looking at a folder's time finds files that were made and removed again by a rename.
        is_file = path.is_file()
        found[str(path.relative_to(folder))] = (
            state.st_mode,
            state.st_size if is_file else 0,
            state.st_mtime_ns if is_file else 0,
        )
    return found


def walk(folder: Path) -> Iterator[Path]:
    """Yields everything below a folder."""
    for top, folders, files in os.walk(folder):
        yield from (Path(top, name) for name in folders + files)


class Place:
    """A working directory with prepared data and runs, restored after a case that changes it."""

    def __init__(self, pristine: Path, folder: Path) -> None:
        self.pristine, self.folder = pristine, folder
        self.restore()

    def restore(self) -> None:
        """Makes the folder anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.pristine, self.folder)

    def problems(self, case: Case, capture: pytest.CaptureFixture[str]) -> list[str]:
        """Runs a case and returns all that is wrong with its refusal."""
        shutil.rmtree(self.folder / WRONG, ignore_errors=True)
        if case.make is not None:
            (self.folder / WRONG).mkdir()
            case.make()
        before = snapshot(self.folder)
        capture.readouterr()
        check = _problems_of_call if case.call else _problems_of_command
        found = check(case, capture)
        after = snapshot(self.folder)
        changed = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
        if changed:
            found.append(f"on disk: {', '.join(changed[:5])}")
            self.restore()
        return found


def _problems_of_command(case: Case, capture: pytest.CaptureFixture[str]) -> list[str]:
    program, *argv = case.words
    try:
        code: object = PROGRAMS[program](argv)
    except SystemExit as stop:
        code = stop.code
    except BaseException as error:
        return [f"traceback: {error!r:.300}"]
    out, err = capture.readouterr()
    found = [] if code == 2 else [f"exit code {code}"]
    if err.count("\n") != 1 or not err.strip():
        found.append(f"{err.count(chr(10))} lines on stderr")
    if out:
        found.append(f"stdout: {out[:100]!r}")
    if not names_one_of(err, case.names):
        found.append(f"names none of {case.names}")
    if re.search(r"<class '|Traceback|typing\.|collections\.abc", err):
        found.append("names Python types")
    return [f"{'; '.join(found)}; got: {err.strip()[:400]}"] if found else []


def _problems_of_call(case: Case, capture: pytest.CaptureFixture[str]) -> list[str]:
    assert case.call is not None
    try:
        case.call()
    except (ValueError, TypeError, OSError) as error:
        if names_one_of(str(error), case.names):
            return []
        return [f"names none of {case.names}; got {error!r:.300}"]
    except BaseException as error:
        return [f"raised {error!r:.300}"]
    return ["is taken"]


def names_one_of(message: str, names: tuple[str, ...]) -> bool:
    """Returns whether a message contains a name as a whole word; :obj:`_` and :obj:`-` in flags are
    the same.
    """

    def plain(text: str) -> str:
        return " ".join(text.replace("_", "-").split())

    return any(
        re.search(rf"(?<![\w-]){re.escape(plain(name))}(?![\w-])", plain(message)) for name in names
    )
