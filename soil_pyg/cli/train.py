"""The command :obj:`soil-pyg train`."""

import argparse
import sys
from typing import Literal

import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from lightning_fabric.utilities import rank_zero_only

from soil_pyg.cli import output
from soil_pyg.workflow.options import ModelOptions
from soil_pyg.workflow.train import train

EXAMPLES = """\
examples:
  soil-pyg train DATA --model soil --k 5 --epochs 20 --lr 0.001 --out RUN
  soil-pyg train DATA --model lightgcn --num_layers 3 --out RUN
  soil-pyg train NEW_DATA --model soil --init RUN --out NEW_RUN
  soil-pyg train DATA --model my_package.my_module:MyModel --out RUN
  soil-pyg train DATA --model soil --devices 4 --out RUN

Each model has its own settings: soil-pyg train --model lightgcn --help
The same command resumes an interrupted run."""
MODEL = "soil"
"""The default of :obj:`--model`."""
OWN = (
    *("data", "out", "model", "profile", "seed", "init", "device", "devices", "num_nodes"),
    *("strategy", "tensorboard", "overwrite", "format"),
)
"""The arguments that do not depend on the model."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments that do not depend on the model."""
    parser.add_argument("data", help="data folder, written by 'soil-pyg prepare'")
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument(
        "--model", default=MODEL, help="name of a model, or package.module:Class for your own"
    )
    parser.add_argument(
        "--profile", help="named settings of the model (default: released, if it exists)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and training")
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
        "--devices", type=int, default=1, help="devices per node, each with a process"
    )
    parser.add_argument("--num-nodes", type=int, default=1, help="number of nodes")
    parser.add_argument(
        "--strategy",
        type=Literal["auto", "ddp"],
        default="auto",
        help="how processes train together (auto: ddp for more than one device)",
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


def add_options(parser: ArgumentParser, argv: list[str]) -> None:
    """Adds a flag per option of the model that :obj:`--model` selects on the command line. Raises
    :class:`ValueError` if the model or a flag is unknown.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--model", default=MODEL)
    selected = ModelOptions(first.parse_known_args(argv)[0].model)
    selected.add_flags(parser)
    known = [f"--{name.replace('_', '-')}" for name in [*OWN[1:], *selected.options]]
    for argument in argv:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag.replace("_", "-") not in ("--help", *known):
            raise ValueError(
                f"Model '{selected.spec}' has no flag '{flag}' (only {', '.join(known)})"
            )


def run(arguments: Namespace) -> None:
    """Trains the model and writes the metrics, on the first process."""
    given = arguments.as_dict()
    own = {name: given.pop(name) for name in OWN}
    file_format = own.pop("format")
    output.check(file_format, None)
    result = train(**own, **ModelOptions(own["model"]).values_of_flags(given))
    if rank_zero_only.rank > 0:
        return
    best = f"best epoch {result.best_epoch} of {result.epochs}"
    sys.stderr.write(f"run in '{own['out']}': {best}\n")
    columns = {"val": result.val.values(), "test": result.test.values()}
    output.write(pd.DataFrame({"metric": list(result.val), **columns}), file_format)
