"""The benchmark: trains and tests models over several seeds and prints a table of their metrics.

Without arguments: SOIL, LightGCN and BPR on the built-in data. Finished runs are not run again, and
interrupted ones go on where they stopped.
"""

import argparse
import os
import sys
from importlib import import_module

from jsonargparse import Namespace
from rich.console import Console

from soil_bench.runs.arguments import (
    add_models,
    add_run_arguments,
    make_console,
    make_parser,
    names_of,
)
from soil_bench.runs.experiment import FailedRunsError
from soil_bench.runs.jobs import Job, Plan, make_jobs, run_jobs
from soil_bench.runs.process import INTERRUPTED
from soil_bench.runs.results import print_table, read_records
from soil_bench.runs.run_job import load_data
from soil_pyg.utils.device import resolve_device
from soil_pyg.workflow.options import ModelOptions, settings_on
from soil_pyg.workflow.train import DEVICE_TYPES

USAGE_ERROR = 2
MODELS = "soil,lightgcn,bpr"
COMMANDS = {
    "libraries": (
        "soil_bench.speed.libraries",
        "propagation and nearest neighbours in every library that is installed",
    ),
    "graphs": (
        "soil_bench.speed.graphs",
        "graphs, steps and epochs of SOIL beside a naive implementation of its definitions",
    ),
    "scale": ("soil_bench.speed.scale", "graphs and training of SOIL by the number of items"),
    "tune": (
        "soil_bench.tuning.command",
        "settings of a model, searched by their val metric; the best are tested",
    ),
    "paper": ("soil_bench.paper.command", "the tables and figures of the SOIL paper"),
    "fidelity": (
        "soil_bench.studies.fidelity",
        "the effect of each difference between the paper and the released code",
    ),
    "newcomers": (
        "soil_bench.studies.newcomers",
        "accuracy for users and items that are added after training",
    ),
    "missing": (
        "soil_bench.studies.missing",
        "accuracy by the share of missing features and by their treatment",
    ),
    "patience": (
        "soil_bench.studies.patience",
        "the val metric that a smaller patience would have lost",
    ),
    "verify": (
        "soil_bench.runs.verify",
        "check that the code still gives the results of finished runs, to the last digit",
    ),
}
"""The module and the description of each command.

The module's :obj:`main` takes the remaining arguments and returns the exit code. It raises
:class:`argparse.ArgumentError` if an argument is unknown, abbreviated or of the wrong type,
:class:`ValueError` if a setting or the data is invalid, and :class:`FailedRunsError` if a run
fails.
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark and returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    console = make_console()
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    # Users' own models are imported from the working directory.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    command = argv[0] if argv and argv[0] in COMMANDS else ""
    try:
        if command:
            code: int = import_module(COMMANDS[command][0]).main(argv[1:])
            return code
        models = select_models(argv)
        arguments, flags = parse(argv, models)
        jobs = plan(arguments, flags, models)
        failed = run_jobs(jobs, console, arguments.rerun, arguments.workers)
        finished = read_records(jobs[0].results_file)
    except (argparse.ArgumentError, ValueError, OSError) as error:
        help_ = " ".join(filter(None, ["run.py", command, "--help"]))
        errors.print(f"error: {message_of(error)}\nAll options: {help_}")
        return USAGE_ERROR
    except FailedRunsError as error:
        errors.print(str(error))
        return 1
    except KeyboardInterrupt:
        errors.print("Interrupted: the same command goes on where this one stopped.")
        return INTERRUPTED
    print_table([finished[job.key] for job in jobs if job.key in finished], console)
    for job in failed:
        errors.print(f"failed: {job.key}")
    return 1 if failed else 0


def select_models(argv: list[str]) -> list[ModelOptions]:
    """Returns the models of :obj:`--models`, whose options become flags.

    Raises:
        ValueError: If a model is unknown or occurs twice.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--models", default=MODELS)
    names = parser.parse_known_args(argv)[0].models
    models = [ModelOptions(name) for name in names_of(names)]
    # Options are flags with the name of the class.
    names_of(",".join(model.name for model in models))
    return models


def parse(argv: list[str], models: list[ModelOptions]) -> tuple[Namespace, Namespace]:
    """Returns the arguments with their defaults, and only those that were given.

    Raises:
        argparse.ArgumentError: If an argument is unknown, abbreviated or of the wrong type.
    """
    listed = "; ".join(f"'run.py {name}': {text}" for name, (_, text) in COMMANDS.items())
    parser = make_parser("", f"{__doc__}\nOther benchmarks, with options of their own: {listed}.")
    add_run_arguments(parser)
    add_models(parser, MODELS)
    parser.add_argument("--rerun", action="store_true", help="run finished runs again")
    for model in models:
        model.add_arguments(parser)
    return parser.parse_args(argv), parser.parse_args(argv, defaults=False)


def plan(arguments: Namespace, flags: Namespace, models: list[ModelOptions]) -> list[Job]:
    """Returns a job for each model and seed.

    Raises:
        ValueError: If a setting or the data is invalid.
        OSError: If a file is missing.
    """
    device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
    data = load_data(arguments.dataset, arguments.root)
    where = Plan(arguments.dataset, arguments.root, arguments.out, device, arguments.rerun)
    jobs = []
    for model in models:
        given = {"epochs": arguments.epochs} if arguments.epochs is not None else {}
        given |= flags[model.name].as_dict() if model.name in flags else {}
        settings = settings_on(data, model, arguments.dataset, arguments.profile, given)
        jobs += make_jobs(where, data, model, arguments.profile, settings, arguments.seeds)
    return jobs


def message_of(error: Exception) -> str:
    """Returns the message of an error, which names the flag."""
    message = str(error.message if isinstance(error, argparse.ArgumentError) else error)
    if message.startswith("unrecognized"):
        message += "; settings belong to the models in --models, and flags cannot be abbreviated"
    return message.replace('Parser key "', 'argument "--')


if __name__ == "__main__":
    sys.exit(main())
