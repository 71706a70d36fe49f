"""The command :obj:`soil-pyg evaluate`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.cli import output
from soil_pyg.cli.names import Names
from soil_pyg.ranking.group_metrics import GROUPINGS
from soil_pyg.ranking.metrics import ALL_METRICS, DEFAULT_METRICS
from soil_pyg.typing import HELD_OUT_SPLITS
from soil_pyg.workflow.evaluate import evaluate
from soil_pyg.workflow.option_words import elements

EXAMPLES = """\
examples:
  soil-pyg evaluate RUN
  soil-pyg evaluate RUN --split test --ks 1 20 --format json
  soil-pyg evaluate RUN --metrics ndcg novelty --by user_history
  soil-pyg evaluate RUN --split test --per-user --out users.parquet"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    shared.add_run(parser)
    parser.add_argument(
        "--split", type=Literal["val", "test", "both"], default="both", help="split to evaluate"
    )
    parser.add_argument(
        "--ks",
        type=int | str,
        nargs="+",
        metavar="KS",
        help="list lengths (default: those of the training)",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=list(DEFAULT_METRICS),
        metavar="METRIC",
        help=f"metrics: {', '.join(ALL_METRICS)}",
    )
    parser.add_argument(
        "--by", type=Literal[GROUPINGS], default=None, help="group of users or items to evaluate"
    )
    parser.add_argument("--per-user", action="store_true", help="write one row per user")
    shared.add_data_and_budget(parser)
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Evaluates the run and writes the metrics."""
    output.check_arguments(arguments)
    frame = evaluate(
        shared.run_folder(arguments),
        splits=HELD_OUT_SPLITS if arguments.split == "both" else (arguments.split,),
        ks=None if arguments.ks is None else elements("ks", arguments.ks, int),
        per_user=arguments.per_user,
        metrics=arguments.metrics,
        by=arguments.by,
        data=arguments.data,
        memory_budget=arguments.memory_budget,
    )
    output.write(Names.of(arguments).present(frame), arguments.format, arguments.out)
