"""The command :obj:`soil-pyg train`."""

import argparse
import sys
from typing import Literal

import pandas as pd
from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import output
from soil_pyg.workflow.options import ModelOptions
from soil_pyg.workflow.train import train

EXAMPLE = """\
examples:
  soil-pyg train DATA --model soil --k 5 --epochs 20 --lr 0.001 --out RUN
  soil-pyg train DATA --model lightgcn --num_layers 3 --out RUN
  soil-pyg train NEW_DATA --model soil --init RUN --out NEW_RUN
  soil-pyg train DATA --model my_package.my_module:MyModel --out RUN

Each model has settings of its own: soil-pyg train --model lightgcn --help
The same command goes on with a run that was interrupted."""
MODEL = "soil"
OWN = ("data", "out", "model", "profile", "seed", "init", "device", "tensorboard", "format")


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments that every model has.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.epilog = EXAMPLE
    parser.add_argument("data", help="the data folder, made by 'soil-pyg prepare'")
    parser.add_argument("--out", required=True, help="the folder of the run")
    parser.add_argument(
        "--model", default=MODEL, help="a name, or package.module:Class for a model of your own"
    )
    parser.add_argument(
        "--profile",
        help="a named set of settings of the model (default: released, if there is one)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of parameters and training")
    parser.add_argument(
        "--init", metavar="RUN", help="an earlier run of the model, whose weights to start from"
    )
    parser.add_argument("--device", type=Literal["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard events into the run, too"
    )
    parser.add_argument(
        "--format", type=output.Format, default="table", help="of the metrics on standard output"
    )


def add_options(parser: ArgumentParser, argv: list[str]) -> None:
    """Adds a flag for each option of the selected model, and refuses flags that are none.

    Args:
        parser (ArgumentParser): The parser.
        argv (list[str]): The arguments, of which :obj:`--model` tells the model.

    Raises:
        ValueError: If there is no such model, or a flag is not one of its options.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--model", default=MODEL)
    selected = ModelOptions(first.parse_known_args(argv)[0].model)
    selected.add_flags(parser)
    known = {"--help", *(f"--{name}" for name in [*OWN[1:], *selected.options])}
    for argument in argv:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag not in known:
            options = ", ".join(f"--{name}" for name in [*OWN[1:], *selected.options])
            raise ValueError(
                f"'{flag}' is no flag for model '{selected.spec}'; there are {options}"
            )


def run(arguments: Namespace) -> None:
    """Trains and writes the metrics.

    Args:
        arguments (Namespace): The arguments.
    """
    given = arguments.as_dict()
    own = {name: given.pop(name) for name in OWN}
    file_format = own.pop("format")
    output.check(file_format, None)
    result = train(**own, **given)
    sys.stderr.write(
        f"'{own['out']}' holds the run: best epoch {result.best_epoch} of {result.epochs}\n"
    )
    columns = {"val": result.val.values(), "test": result.test.values()}
    output.write(pd.DataFrame({"metric": list(result.val), **columns}), file_format)
