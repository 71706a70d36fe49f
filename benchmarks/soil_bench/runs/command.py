"""The benchmark: trains and tests models over several seeds and prints a table of their metrics.

Without arguments: SOIL, LightGCN and BPR on the built-in data. Finished runs are not run again, and
interrupted ones go on where they stopped.
"""

import argparse
from difflib import get_close_matches

from jsonargparse import Namespace

from soil_bench.runs.arguments import (
    add_models,
    add_run_arguments,
    execution_of,
    make_console,
    make_parser,
    names_of,
)
from soil_bench.runs.commands import COMMANDS
from soil_bench.runs.experiment import FailedRunsError
from soil_bench.runs.jobs import Job, Plan, make_jobs, run_jobs
from soil_bench.runs.results import print_table, read_records
from soil_bench.runs.run_job import load_data
from soil_pyg.utils.device import resolve_device
from soil_pyg.workflow.options import ModelOptions
from soil_pyg.workflow.settings_on import settings_on
from soil_pyg.workflow.train import DEVICE_TYPES

MODELS = "soil,lightgcn,bpr"


def main(argv: list[str]) -> int:
    """Runs the missing runs, prints their table and returns the exit code.

    Raises:
        ValueError: If an argument is invalid, or if there is no such command.
    """
    console = make_console()
    if argv and not argv[0].startswith("-"):
        near = get_close_matches(argv[0], COMMANDS, 1)
        advice = f"did you mean '{near[0]}'?" if near else f"it is one of {', '.join(COMMANDS)}"
        raise ValueError(f"there is no command '{argv[0]}': {advice}")
    models = select_models(argv)
    arguments, flags = parse(argv, models)
    execution = execution_of(arguments)
    jobs = plan(arguments, flags, models)
    failed = run_jobs(jobs, console, arguments.rerun, execution)
    finished = read_records(jobs[0].results_file)
    print_table([finished[job.key] for job in jobs if job.key in finished], console)
    if failed:
        raise FailedRunsError(f"failed: {', '.join(job.key for job in failed)}")
    return 0


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
        UsageError: If an argument is unknown, abbreviated or of the wrong type.
    """
    listed = "; ".join(f"'run.py {name}': {text}" for name, (_, text) in COMMANDS.items())
    parser = make_parser(
        "",
        f"{__doc__}\nOther benchmarks, with options of their own: {listed}.",
        "settings belong to the models in --models, and flags cannot be abbreviated",
    )
    add_run_arguments(parser)
    add_models(parser, MODELS)
    parser.add_argument("--rerun", action="store_true", help="run finished runs again")
    for model in models:
        model.add_arguments(parser, model.default_profile)
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
