"""The benchmark: trains and tests models over several seeds and prints a table of their metrics.

Without arguments: SOIL, LightGCN and BPR on the built-in data. Finished runs are not run again, and
interrupted ones go on where they stopped.
"""

import argparse
import os
import sys
from importlib import import_module
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from rich.console import Console

from soil_bench.runs.experiment import FailedRunsError, Profile
from soil_bench.runs.job import INTERRUPTED, Job, load_data
from soil_bench.runs.jobs import Plan, make_jobs, run_jobs
from soil_bench.runs.results import print_table, read_records, run_key
from soil_pyg.utils.device import resolve_device
from soil_pyg.workflow.options import ModelOptions
from soil_pyg.workflow.train import DEVICE_TYPES

USAGE_ERROR = 2
MODELS = "soil,lightgcn,bpr"
# Modules with a function `main` that takes the rest of the command line, and what each shows.
COMMANDS = {
    "libraries": (
        "soil_bench.speed.libraries",
        "propagation and the search of neighbours by every library that is installed",
    ),
    "graphs": (
        "soil_bench.speed.graphs",
        "graphs, steps and epochs of SOIL beside a naive rendering of its definitions",
    ),
    "scale": ("soil_bench.speed.scale", "graphs and training of SOIL against the number of items"),
    "tune": (
        "soil_bench.tuning.command",
        "the settings of a model, searched by validation alone; the best are tested",
    ),
    "paper": ("soil_bench.paper.command", "the tables and figures of the SOIL paper"),
    "fidelity": (
        "soil_bench.studies.fidelity",
        "what each difference between the paper and the released code is worth",
    ),
    "newcomers": (
        "soil_bench.studies.newcomers",
        "how well users and items are served that came after the training",
    ),
    "missing": (
        "soil_bench.studies.missing",
        "accuracy as the features of items go missing, by what is done about it",
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark and returns the exit code.

    Args:
        argv (list[str], optional): The arguments of the command line. (default: :obj:`None`)
    """
    argv = sys.argv[1:] if argv is None else argv
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    # A model of one's own is found in the working directory, too.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    command = argv[0] if argv and argv[0] in COMMANDS else ""
    try:
        if command:
            return import_module(COMMANDS[command][0]).main(argv[1:])
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
    keys = [run_key(job.record) for job in jobs]
    print_table([finished[key] for key in keys if key in finished], console)
    for job in failed:
        errors.print(f"failed: {run_key(job.record)}")
    return 1 if failed else 0


def select_models(argv: list[str]) -> list[ModelOptions]:
    """Returns the models of :obj:`--models`, whose options are the other flags.

    Args:
        argv (list[str]): The arguments of the command line.

    Raises:
        ValueError: If a model is unknown or named twice.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--models", default=MODELS)
    names = parser.parse_known_args(argv)[0].models
    models = [ModelOptions(name.strip()) for name in names.split(",")]
    if len({model.name for model in models}) < len(models):
        raise ValueError(f"'--models' must name each model once (got '{names}')")
    return models


def parse(argv: list[str], models: list[ModelOptions]) -> tuple[Namespace, Namespace]:
    """Returns the arguments with their defaults, and those alone that were given.

    Args:
        argv (list[str]): The arguments of the command line.
        models (list[ModelOptions]): The selected models.

    Raises:
        argparse.ArgumentError: If an argument is unknown, abbreviated or of the wrong type.
    """
    listed = "; ".join(f"'run.py {name}': {text}" for name, (_, text) in COMMANDS.items())
    parser = ArgumentParser(
        prog="run.py",
        description=f"{__doc__}\nOther benchmarks, with options of their own: {listed}.",
        allow_abbrev=False,
        exit_on_error=False,
    )
    parser.add_argument("--dataset", default="synthetic", help="its name, or that of its folder")
    parser.add_argument("--root", default="data", help="the folder that holds the data sets")
    parser.add_argument(
        "--models", default=MODELS, help="names, or package.module:Class, between commas"
    )
    parser.add_argument(
        "--profile",
        type=Profile,
        default="released",
        help="for the models that have profiles",
    )
    parser.add_argument("--seeds", type=PositiveInt, default=3, help="their number N: 0 to N - 1")
    parser.add_argument("--epochs", type=PositiveInt, help="the most epochs of every model")
    parser.add_argument("--device", type=Literal["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--out", default="results", help="the folder of the results")
    parser.add_argument(
        "--workers", type=PositiveInt, default=1, help="how many runs at a time, on as many cores"
    )
    parser.add_argument("--rerun", action="store_true", help="run finished runs again, too")
    for model in models:
        model.add_arguments(parser)
    return parser.parse_args(argv), parser.parse_args(argv, defaults=False)


def plan(arguments: Namespace, flags: Namespace, models: list[ModelOptions]) -> list[Job]:
    """Returns a job for each model and seed.

    Args:
        arguments (Namespace): The arguments with their defaults.
        flags (Namespace): The arguments that were given.
        models (list[ModelOptions]): The selected models.

    Raises:
        ValueError: If a setting or the data cannot be right.
        OSError: If a file is missing.
    """
    device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
    data = load_data(arguments.dataset, arguments.root)
    jobs = []
    for model in models:
        given = {"epochs": arguments.epochs} if arguments.epochs is not None else {}
        given |= flags.get(model.name, Namespace()).as_dict()
        settings = model.settings(arguments.dataset, arguments.profile, given)
        where = Plan(arguments.dataset, arguments.root, arguments.out, device)
        jobs += make_jobs(where, data, model, arguments.profile, settings, arguments.seeds)
    return jobs


def message_of(error: Exception) -> str:
    """Returns what to tell the user about an error, with the flag by its name."""
    message = str(error.message if isinstance(error, argparse.ArgumentError) else error)
    if message.startswith("unrecognized"):
        message += "; settings are those of the models in --models, and no flag may be shortened"
    return message.replace('Parser key "', 'argument "--')


if __name__ == "__main__":
    sys.exit(main())
