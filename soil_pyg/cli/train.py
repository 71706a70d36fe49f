"""The command :obj:`soil-pyg train`."""

import argparse
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml
from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import output
from soil_pyg.cli.config_file import read_config
from soil_pyg.datasets.data_folder import load_description
from soil_pyg.runs.checkpoint import load_finished_run
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.ranks import is_first
from soil_pyg.utils.engine import use_engine
from soil_pyg.utils.progress import status
from soil_pyg.workflow.option_words import element_type
from soil_pyg.workflow.options import ModelOptions
from soil_pyg.workflow.settings_on import defined_aggregation, resolved_profile
from soil_pyg.workflow.train import MODEL, train

EXAMPLES = """\
examples:
  soil-pyg train DATA --model soil --k 5 --epochs 20 --lr 0.001 --out RUN
  soil-pyg train DATA --model lightgcn --num-layers 3
  soil-pyg train DATA --final RUN --out PRODUCTION
  soil-pyg train DATA --model soil --print-config > soil.yaml
  soil-pyg train DATA --config soil.yaml --out RUN
  soil-pyg train NEW_DATA --init RUN --out NEW_RUN
  soil-pyg train DATA --model my_package.my_module:MyModel --out RUN
  soil-pyg train DATA --model soil --devices 4 --out RUN

Each model has its own options: soil-pyg train --model lightgcn --help
The same command with the same --out resumes an interrupted run, and goes on
with more --epochs."""
OWN = (
    *("data", "out", "model", "profile", "seed", "final", "init", "device", "devices"),
    *("num_nodes", "strategy", "shard_tables", "engine", "tensorboard", "overwrite"),
    *("format", "config", "print_config"),
)
"""The arguments that do not depend on the model."""
PLACE: dict[str, Any] = {
    **{"devices": 1, "num_nodes": 1, "strategy": "auto", "shard_tables": False},
    **{"engine": "local", "tensorboard": False},
}
"""The defaults of the arguments that say where and how to train."""
MESSAGES = ("quiet", "log_level")
RUNS = Path("runs")
"""The folder of the runs without :obj:`--out`."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments that do not depend on the model."""
    parser.add_argument("data", help="data folder, written by 'soil-pyg prepare'")
    parser.add_argument(
        "--out", help=f"folder of the run (default: {RUNS}/MODEL-DATE-TIME, a new one each time)"
    )
    parser.add_argument(
        "--model",
        help="name of a model, or package.module:Class for your own (default: that of --final, or "
        f"{MODEL})",
    )
    parser.add_argument(
        "--profile", help="named settings of the model (default: released, or else the first)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of weights and training (default: that of --final, or 0)",
    )
    parser.add_argument(
        "--final",
        metavar="RUN",
        help="validated run whose settings and number of epochs are used to train on all "
        "interactions, for production; no metrics are computed",
    )
    parser.add_argument(
        "--init",
        metavar="RUN",
        help="earlier run of the model to take the initial weights from; pairs that it was trained "
        "on are not held out",
    )
    parser.add_argument(
        "--device", type=Literal["auto", "cpu", "cuda"], default="auto", help="device to train on"
    )
    parser.add_argument(
        "--devices",
        type=int,
        default=PLACE["devices"],
        help="devices per node, each with a process",
    )
    parser.add_argument("--num-nodes", type=int, default=PLACE["num_nodes"], help="number of nodes")
    parser.add_argument(
        "--strategy",
        type=Literal["auto", "ddp"],
        default=PLACE["strategy"],
        help="how processes train together (auto: ddp for more than one device)",
    )
    parser.add_argument(
        "--shard-tables",
        action="store_true",
        help="let each process hold a part of the rows of each table, for tables larger than a "
        "machine; in partitions, with --out on a disk that all nodes share",
    )
    parser.add_argument(
        "--engine",
        type=Literal["local", "ray"],
        default=PLACE["engine"],
        help="build exact graphs in this process, or by Ray on this machine or the cluster of "
        "RAY_ADDRESS; the graphs are the same",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="also write TensorBoard events into the run"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="train anew and replace the run in --out"
    )
    parser.add_argument(
        "--format", type=output.Format, default="table", help="format of the printed metrics"
    )
    parser.add_argument(
        "--config", action="config", help="YAML file of arguments; those given here come first"
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print a file for --config and end"
    )


def add_options(parser: ArgumentParser, argv: list[str]) -> None:
    """Adds a flag per option of the model that :obj:`--model`, :obj:`--config` or :obj:`--final`
    selects on the command line. Raises :class:`ValueError` if the model or a flag is unknown.
    """
    model, profile, config = _selected(argv)
    selected = ModelOptions(model)
    selected.add_flags(parser, profile)
    for name, option in selected.options.items():
        value = config.get(name)
        if element_type(option.type) is not None and not isinstance(value, list | None):
            raise ValueError(
                f"'--config': '{name}' must be a list, such as {name}: [{value}] (got {value!r})"
            )
    known = [f"--{name.replace('_', '-')}" for name in [*OWN[1:], *MESSAGES, *selected.options]]
    for argument in argv[: argv.index("--")] if "--" in argv else argv:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag.replace("_", "-") not in ("--help", *known):
            raise ValueError(
                f"Model '{selected.spec}' has no flag '{flag}' (only {', '.join(known)})"
            )


def _selected(argv: list[str]) -> tuple[str, str | None, dict[str, Any]]:
    # The name of the model, the profile, and the content of the file of arguments.
    if sum(word.partition("=")[0] == "--final" for word in argv) > 1:
        # The parser refuses it.
        return MODEL, None, {}
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("model", "profile", "config", "final"):
        first.add_argument(f"--{name}")
    found = first.parse_known_args(argv)[0]
    values = {} if found.config is None else read_config(found.config)
    final = found.final or values.get("final")
    of_final = load_finished_run(str(final))["settings"].get("model") if final else None
    model = str(found.model or values.get("model") or of_final or MODEL)
    return model, found.profile or values.get("profile"), values


def run(arguments: Namespace) -> None:
    """Trains the model and writes the metrics, on the first process, or prints the settings."""
    given = arguments.as_dict()
    own = {name: given.pop(name) for name in OWN}
    engine, file_format, _, only_prints = (
        own.pop(name) for name in ("engine", "format", "config", "print_config")
    )
    output.check(file_format, None)
    final = None if own["final"] is None else load_finished_run(own["final"])
    selected = ModelOptions(own["model"] or (final and final["settings"].get("model")) or MODEL)
    values = selected.values_of_flags(given)
    if only_prints:
        _print_config(selected, own | {"engine": engine}, values)
        return
    if own["out"] is None:
        if own["devices"] * own["num_nodes"] > 1:
            raise ValueError("'--out' must be given with '--devices' and '--num-nodes' (got none)")
        own["out"] = RUNS / f"{selected.name}-{datetime.now():%Y-%m-%d-%H%M%S}"
    with use_engine(engine):
        result = train(**own, **values, progress=status.enabled)
    if not is_first():
        return
    status.log(f"run in '{own['out']}': {_summary(result)}")
    if result.val or result.test:
        columns = {"val": result.val.values(), "test": result.test.values()}
        output.write(pd.DataFrame({"metric": list(result.val), **columns}), file_format)


def _summary(result: TrainResult) -> str:
    if not result.val:
        return f"trained on all interactions up to epoch {result.epochs}"
    return f"best epoch {result.best_epoch} of {result.epochs}"


def _print_config(selected: ModelOptions, own: dict[str, Any], values: dict[str, Any]) -> None:
    """Prints the arguments and the settings that the training would use."""
    if own["final"] is not None:
        raise ValueError("'--print-config' must not be given with '--final', which has settings")
    profile, given = resolved_profile(selected, own["profile"]), selected.check(values, "flags")
    prepared = load_description(own["data"])
    values = selected.settings(str(prepared.get("name", "")), profile, given)
    counts = prepared.get("counts", {})
    sizes = counts.get("users", 0), counts.get("items", 0)
    values |= defined_aggregation(values, given, *sizes)
    head = {"model": selected.spec, "profile": profile, "seed": own["seed"] or 0}
    head |= {name: own[name] for name in ("init", "device")}
    head |= {name: own[name] for name, default in PLACE.items() if own[name] != default}
    chosen = {name: value for name, value in (head | values).items() if value is not None}
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in chosen.items()}
    status.clear()
    sys.stdout.write(yaml.safe_dump(plain, sort_keys=False))
