"""The command :obj:`soil-pyg evaluate`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import output
from soil_pyg.typing import HELD_OUT_SPLITS
from soil_pyg.workflow.evaluate import evaluate

EXAMPLE = """\
examples:
  soil-pyg evaluate RUN
  soil-pyg evaluate RUN --split test --ks 1 20 --format json
  soil-pyg evaluate RUN --split test --per-user --out users.parquet"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.epilog = EXAMPLE
    parser.add_argument("run", help="the folder of the run, made by 'soil-pyg train'")
    parser.add_argument(
        "--split", type=Literal["val", "test", "both"], default="both", help="what to rank"
    )
    parser.add_argument(
        "--ks", type=int, nargs="+", help="the lengths of the list (default: those of the training)"
    )
    parser.add_argument("--per-user", action="store_true", help="one row a user")
    parser.add_argument("--data", help="the data folder, if it is not where the run knows it")
    parser.add_argument(
        "--memory-budget", type=int, default=2**30, help="bytes that a block of users may take"
    )
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Evaluates and writes the metrics.

    Args:
        arguments (Namespace): The arguments.
    """
    output.check(arguments.format, arguments.out)
    frame = evaluate(
        arguments.run,
        splits=HELD_OUT_SPLITS if arguments.split == "both" else (arguments.split,),
        ks=arguments.ks,
        per_user=arguments.per_user,
        data=arguments.data,
        memory_budget=arguments.memory_budget,
    )
    output.write(frame, arguments.format, arguments.out)
