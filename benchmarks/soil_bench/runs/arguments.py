"""The arguments that the commands of the benchmark share."""

import importlib.util
import logging
import os
import shutil
import sys
from argparse import Action, ArgumentError
from argparse import ArgumentParser as BaseParser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt, restricted_number_type
from rich.console import Console

from soil_bench.runs.execution import Execution
from soil_pyg.cli.flags import given_flags, naming_flags
from soil_pyg.cli.parser import Parser
from soil_pyg.cli.run_command import run_command
from soil_pyg.configs import available_configs, load_config
from soil_pyg.utils.signals import raise_on_signals

ALL = "all"
"""The name that stands for all models."""
Profile = Literal["paper", "released", "best"]
"""The profiles of SOIL, the model that has some."""
Device = Literal["auto", "cpu", "cuda"]
NumSeeds = restricted_number_type("NumSeeds", int, [(">=", 1), ("<=", 10_000)])
"""The number of runs, each of which is planned before the first one begins."""


def run_benchmark(prog: str, module: str, argv: list[str]) -> int:
    """Runs a command of the benchmark and returns the exit code.

    Args:
        prog (str): The name of the command in its messages.
        module (str): The module, whose :obj:`main` takes the arguments.
        argv (list[str]): The arguments.
    """

    def body() -> int:
        main = import_module(module).main
        raise_on_signals()
        try:
            with naming_flags(given_flags(argv)), each_message_once():
                code: int = main(argv)
        except KeyboardInterrupt as interruption:
            interruption.args = ("the same command resumes where this one stopped",)
            raise
        return code

    return run_command(prog, body, argv)


@contextmanager
def each_message_once() -> Iterator[None]:
    """Leaves out messages of the library that were shown before, as many runs have the same."""
    shown: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        is_new = message not in shown
        shown.add(message)
        return is_new

    logger = logging.getLogger("soil_pyg")
    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)


def make_parser(command: str, description: str | None, hint: str = "") -> Parser:
    """Returns a parser whose errors are raised.

    Args:
        command (str): The words after :obj:`run.py` that select the command.
        description (str, optional): The description of the command.
        hint (str): What to say about unknown arguments. (default: nothing)
    """
    prog = f"run.py {command}".strip()
    return Parser(prog, description, hint=hint)


def relative(path: Path) -> str:
    """Returns a path from the working directory on, as defaults are shown."""
    return os.path.relpath(path)


def make_console(width: int = 140) -> Console:
    """Returns the console for tables, with a fixed width in a file."""
    return Console(width=None if sys.stdout.isatty() else width, highlight=False)


def require(package: str, purpose: str, extra: str = "bench") -> None:
    """Raises :class:`ValueError` if a package of an extra is not installed."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"{purpose} requires {package}: pip install 'soil-pyg[{extra}]'")


def add_data(parser: ArgumentParser) -> None:
    """Adds the arguments that name the data set."""
    parser.add_argument("--dataset", default="synthetic", help="name of the data set or its folder")
    parser.add_argument("--root", default="data", help="folder of the data sets")


def add_run_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of all commands that train models."""
    add_data(parser)
    parser.add_argument("--seeds", type=NumSeeds, default=3, help="number of seeds: 0, 1, ...")
    parser.add_argument("--epochs", type=PositiveInt, help="maximum number of epochs per run")
    parser.add_argument("--device", type=Device, default="auto")
    add_out(parser)
    parser.add_argument("--workers", type=PositiveInt, default=1, help="number of runs at a time")
    parser.add_argument(
        "--executor",
        type=Literal["local", "slurm"] | None,
        help="where they run: on this machine, sharing its cores, or as jobs of SLURM",
    )
    parser.add_argument(
        "--slurm",
        type=dict[str, Any],
        default={},
        help="parameters of SLURM's jobs, as --slurm.partition gpu --slurm.time 600 (minutes)",
    )


def execution_of(arguments: Namespace) -> Execution:
    """Returns how the arguments of :func:`add_run_arguments` execute runs.

    Raises:
        ValueError: If submitit is missing, or SLURM where it is asked for.
    """
    executor, workers = arguments.executor, arguments.workers
    if workers > 1 and executor is None:
        executor = "local"
    if executor is not None:
        flag = "--executor" if arguments.executor else f"--workers {workers}"
        require("submitit", f"'{flag}'", "cluster")
    if executor == "slurm" and shutil.which("sbatch") is None:
        raise ValueError("'--executor' must be local without SLURM (got slurm, but no sbatch)")
    if arguments.slurm and executor != "slurm":
        raise ValueError(f"'--slurm' requires '--executor slurm' (got {arguments.slurm})")
    return Execution(workers, executor, arguments.slurm)


def add_out(
    parser: ArgumentParser, default: str = "results", kind: str = "results", flag: str = "--out"
) -> None:
    """Adds an argument for a folder that is written to, which is checked when it is parsed."""
    parser.add_argument(flag, action=WritableFolder, default=default, help=f"folder of the {kind}")


class WritableFolder(Action):
    """Takes the path of a folder that can be written to or created."""

    def __call__(
        self,
        parser: BaseParser,
        namespace: Any,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Sets the path, or raises :class:`argparse.ArgumentError`."""
        found = Path(values).absolute()
        while not found.exists():
            found = found.parent
        if not (values and found.is_dir() and os.access(found, os.W_OK)):
            raise ArgumentError(self, f"must be a writable folder (got '{values}')")
        setattr(namespace, self.dest, values)


def add_models(parser: ArgumentParser, default: str, help_: str = "") -> None:
    """Adds the arguments :obj:`--models` and :obj:`--profile`."""
    text = help_ or "names, or package.module:Class, separated by commas"
    parser.add_argument("--models", default=default, help=text)
    add_profile(parser)


def study_parser(command: str, description: str | None, models: str) -> ArgumentParser:
    """Returns the parser of a study, with the arguments of runs, models and their profile."""
    parser = make_parser(command, description)
    add_run_arguments(parser)
    add_models(parser, models, "names separated by commas")
    return parser


def add_profile(parser: ArgumentParser) -> None:
    """Adds the argument :obj:`--profile`."""
    parser.add_argument(
        "--profile", type=Profile, default="released", help="profile of the models that have some"
    )


def names_or_all(models: str, part: str) -> list[str]:
    """Returns the names in a list of models as :func:`names_of` does, or for :data:`ALL` those of
    the models whose configuration has a part, such as :obj:`"search"`.
    """
    names = names_of(models)
    if names == [ALL]:
        names = [name for name in available_configs() if getattr(load_config(name), part)]
    return names


def names_of(models: str) -> list[str]:
    """Returns the names in a list of models that are separated by commas.

    Raises:
        ValueError: If a name occurs twice.
    """
    names = [name.strip() for name in models.split(",")]
    if len(set(names)) < len(names):
        raise ValueError(f"'--models' must name each model once (got '{models}')")
    return names
