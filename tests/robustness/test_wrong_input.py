"""Every wrong input is refused in one line with exit code 2 and leaves nothing on disk."""

import inspect
import random
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress

import pytest

import soil_pyg
from benchmark_cases import COMMANDS as BENCHMARK_COMMANDS
from benchmark_cases import benchmark_cases
from command_cases import command_cases
from command_flags import COMMANDS
from function_cases import FUNCTIONS, function_cases
from harness import PROGRAMS, Case, Place
from option_cases import option_cases
from pair_cases import pair_cases
from place import make_place
from table_cases import table_cases

CASES = [
    *command_cases(),
    *option_cases(),
    *pair_cases(),
    *table_cases(),
    *benchmark_cases(),
    *function_cases(),
]

COMMANDS_OF = [f"soil-pyg {name}" for name in COMMANDS]
COMMANDS_OF += [f"run.py {name}".strip() for name in BENCHMARK_COMMANDS] + ["page.py"]


def sample(cases: list[Case], seed: int = 0) -> list[Case]:
    """Returns one case, drawn at random, of each pair of command and kind."""
    shuffled = random.Random(seed).sample(cases, len(cases))
    return list({(case.group, case.kind): case for case in shuffled}.values())


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    pristine = tmp_path_factory.mktemp("pristine") / "place"
    pristine.mkdir()
    make_place(pristine)
    return Place(pristine, tmp_path_factory.mktemp("wrong") / "place")


@pytest.fixture
def place(shared_place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The working directory, which also has the caches and temporary files."""
    monkeypatch.chdir(shared_place.folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_place.folder / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(shared_place.folder))
    return shared_place


def check(case: Case, place: Place, capture: pytest.CaptureFixture[str]) -> None:
    problems = place.problems(case, capture)
    if problems:
        pytest.fail(f"{case}: {'; '.join(problems)}", pytrace=False)


@pytest.mark.parametrize("case", SAMPLE := sample(CASES), ids=str)
def test_sample(case: Case, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    check(case, place, capfd)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case not in set(SAMPLE)], ids=str)
def test_all_others(case: Case, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    check(case, place, capfd)


@pytest.mark.parametrize("program", [*COMMANDS_OF], ids=str)
def test_every_flag_has_a_case(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *command = program.split()
    with suppress(SystemExit):
        PROGRAMS[name]([*command, "--help"])
    usage = capsys.readouterr().out.partition("\n\n")[0]
    flags = {spelled(flag) for flag in re.findall(r"(?<![\w-])--[a-z][\w.-]*", usage)}
    cases = [case for case in CASES if case.command.startswith(program) and not case.call]
    tried = {spelled(word.partition("=")[0]) for case in cases for word in case.words}
    assert flags - tried - {"--help", "--no-naive"} == set()
    assert flags


def spelled(flag: str) -> str:
    return flag.replace("_", "-")


def test_every_argument_of_the_public_functions_has_a_case() -> None:
    names = {name for name in soil_pyg.__all__ if not name.startswith("_")}
    assert names <= {function.__name__ for function in FUNCTIONS}
    for function, (_, wrong) in FUNCTIONS.items():
        parameters = inspect.signature(function).parameters.values()
        given = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
        assert given - set(wrong) - {"model"} == set(), function


def test_there_are_more_than_a_thousand_different_cases() -> None:
    assert len({case.command for case in CASES}) > 3000
