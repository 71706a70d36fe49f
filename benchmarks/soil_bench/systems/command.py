"""Compares whole systems at equal work: an epoch of BPR and of LightGCN, and its evaluation.

All have the same interactions, batches, width, layers and threads. Each races soil_pyg, the two
train and evaluate in turns; the embeddings after the last epoch are evaluated by soil_pyg. Systems
that are not installed are listed; --install gives each an environment of its own. Finished races
are stored and not run again.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.console import Console
from torch_geometric.data import HeteroData

from soil_bench.runs.arguments import add_out, make_console, make_parser, names_of
from soil_bench.runs.environments import add_environments, install, why_missing
from soil_bench.runs.results import Record, environment
from soil_bench.runs.run_job import load_data
from soil_bench.runs.sources import files_digest
from soil_bench.runs.tables import print_report
from soil_bench.speed.measurements import Measurements, options_of
from soil_bench.systems.contestants import OURS, SYSTEMS, System
from soil_bench.systems.problem import Problem, Settings
from soil_bench.systems.race import Race
from soil_bench.systems.report import systems_legend, systems_reports
from soil_pyg.ranking.held_out import held_out
from soil_pyg.typing import INTERACTS, ITEM, USER
from soil_pyg.utils.checks import check_choice
from soil_pyg.utils.files import write_json

MODELS = ("bpr", "lightgcn")
FAILED = 1
HIDDEN_CHANNELS, NUM_LAYERS, BATCH_SIZE = 64, 3, 2048
LR, SGD_LR, REG = 5e-3, 0.2, 1e-4


def main(argv: list[str]) -> int:
    """Compares the systems and returns the exit code."""
    console = make_console()
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    arguments = parse(argv)
    models, systems = check_models(arguments.models), select_systems(arguments.systems)
    data = load_data(arguments.dataset, arguments.root)
    out, environments = Path(arguments.out), Path(arguments.environments)
    out.mkdir(parents=True, exist_ok=True)
    if arguments.install:
        install(
            dict.fromkeys(s.environment for s in systems if s.environment), environments, errors
        )
    record: Record = {
        "options": options_of(argv),
        "dataset": Path(arguments.dataset).name,
        **compare(arguments, data, models, systems, errors),
    }
    for report in systems_reports(record):
        print_report(report, console)
    console.print(systems_legend(record), "; ".join(environment([record])), sep="\n")
    write_json(out / f"systems-{record['dataset']}.json", record)
    failed = [
        f"{name}, {race['model']}: {result['reason']}"
        for race in record["races"]
        for name, result in race["results"].items()
        if result["status"] != "ok"
    ]
    for text in failed:
        errors.print(f"failed: {text}")
    return FAILED if failed else 0


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments."""
    parser = make_parser("systems", __doc__)
    parser.add_argument("--dataset", default="synthetic", help="name of the data set or its folder")
    parser.add_argument("--root", default="data", help="folder of the data sets")
    parser.add_argument("--models", default=",".join(MODELS), help="names separated by commas")
    names = ",".join(system.name for system in SYSTEMS)
    parser.add_argument("--systems", default=names, help="names separated by commas")
    parser.add_argument("--epochs", type=PositiveInt, default=5, help="epochs that are timed")
    parser.add_argument("--seed", type=NonNegativeInt, default=0)
    parser.add_argument(
        "--limit", type=PositiveInt, default=300, help="seconds for an epoch or an evaluation"
    )
    add_environments(parser)
    add_out(parser)
    parser.add_argument("--rerun", action="store_true", help="repeat finished races")
    return parser.parse_args(argv)


def check_models(models: str) -> list[str]:
    """Returns the names of the models, or raises :class:`ValueError` if one is unknown."""
    names = names_of(models)
    for name in names:
        check_choice("--models", name, MODELS)
    return names


def select_systems(names: str) -> list[System]:
    """Returns the systems of these names, or raises :class:`ValueError` if one is unknown."""
    known = {system.name: system for system in SYSTEMS}
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        check_choice("--systems", name, tuple(known))
    return [system for name, system in known.items() if name in chosen]


def compare(
    arguments: Namespace,
    data: HeteroData,
    models: list[str],
    systems: list[System],
    errors: Console,
) -> Record:
    """Runs all races and returns their record.

    Args:
        arguments (Namespace): The arguments.
        data (HeteroData): The data.
        models (list[str]): The names of the models.
        systems (list[System]): The systems.
        errors (Console): The console for progress.
    """
    environments = Path(arguments.environments)
    measurements = Measurements(Path(arguments.out, "systems.jsonl"), errors, arguments.rerun)
    ours, *others = [SYSTEMS[0], *(system for system in systems if system.name != OURS)]
    races, absent = [], []
    for model in models:
        problem = make_problem(arguments, data, model)
        rivals = []
        for system in (system for system in others if model in system.models):
            name = system.environment
            reason = None if name is None else why_missing(name, environments)
            if reason is None:
                rivals.append([system])
            else:
                absent.append({"model": model, "name": system.name, "reason": reason})
        # Without a rival, ours runs alone.
        for rival in rivals or [[]]:
            names = [system.name for system in [ours, *rival]]
            text = f"{model}: {' and '.join(names)}"
            identity = {
                "settings": vars(problem.settings),
                "data": data.digest,
                "systems": names,
                "code": [measurements.versions["code"], _code([ours, *rival])],
            }
            results = measurements.find(identity)
            if results is not None:
                errors.print(f"{text}: measured before, not measured again")
            else:
                errors.print(text)
                with tempfile.TemporaryDirectory() as folder:
                    race = Race(problem, data, Path(folder), environments, arguments.limit)
                    results = race.run([ours, *rival])
                if all(result["status"] == "ok" for result in results.values()):
                    measurements.add(identity, results)
            races.append({"model": model, "results": results})
    versions = {name: text for name, text in measurements.versions.items() if name != "code"}
    return {
        "versions": versions,
        "settings": {**vars(problem.settings), "model": None},
        "races": races,
        "absent": absent,
    }


def make_problem(arguments: Namespace, data: HeteroData, model: str) -> Problem:
    """Returns the problem of a model: the interactions, each once, and the settings."""
    settings = Settings(
        model,
        data[USER].num_nodes,
        data[ITEM].num_nodes,
        HIDDEN_CHANNELS,
        NUM_LAYERS,
        BATCH_SIZE,
        LR,
        SGD_LR,
        REG,
        arguments.epochs,
        torch.get_num_threads(),
        arguments.seed,
    )
    train = np.unique(data[INTERACTS].edge_index.numpy(), axis=1)
    return Problem(settings, train, held_out(data, "val").numpy())


def _code(systems: list[System]) -> str:
    adapters = [find_spec(system.adapter) for system in systems]
    files = {Path(spec.origin) for spec in adapters if spec is not None and spec.origin is not None}
    folder = Path(__file__).parent
    return files_digest(files | set(folder.glob("*.py")) - {folder / "report.py"})
