"""Every wrong input is refused in one line with exit code 2 and leaves nothing on disk."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark_cases import benchmark_cases
from command_cases import command_cases
from function_cases import function_cases
from harness import Case, Place
from option_cases import option_cases
from place import make_place

CASES = [*command_cases(), *option_cases(), *benchmark_cases(), *function_cases()]


def sample(cases: list[Case], seed: int = 0) -> list[Case]:
    """Returns one case, drawn at random, of each pair of command and kind."""
    shuffled = random.Random(seed).sample(cases, len(cases))
    return list({(case.group, case.kind): case for case in shuffled}.values())


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine") / "place"
    folder.mkdir()
    make_place(folder)
    return folder


@pytest.fixture(scope="module")
def shared_place(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(pristine, tmp_path_factory.mktemp("wrong") / "place")


@pytest.fixture
def place(shared_place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The working directory, which also has the caches and temporary files."""
    monkeypatch.chdir(shared_place.folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_place.folder / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(shared_place.folder))
    return shared_place


@pytest.mark.parametrize("case", CASES, ids=str)
def test_wrong_input(case: Case, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    problems = place.problems(case, capfd)
    if problems:
        pytest.fail(f"{case}: {'; '.join(problems)}", pytrace=False)
