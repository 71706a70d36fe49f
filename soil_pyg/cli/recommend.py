"""The command :obj:`soil-pyg recommend`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.cli import output
from soil_pyg.cli.names import Names
from soil_pyg.workflow.parts import write_parts
from soil_pyg.workflow.recommend import check_options, find_ranking

EXAMPLES = """\
examples:
  soil-pyg recommend RUN --users ann,bob --k 5
  soil-pyg recommend RUN --users all --k 20 --out recommendations.parquet
  soil-pyg recommend RUN --users all --engine ray --out top/  # a file per block
  soil-pyg recommend RUN --users-file users.txt --deny milk,tea --format json
  soil-pyg recommend RUN --users zoe --new-users purchases_of_zoe.csv"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    shared.add_run(parser)
    shared.add_ids(parser, "users", "users, separated by commas, or all", "user")
    parser.add_argument("--k", type=int, default=10, help="number of items per user")
    parser.add_argument(
        "--exclude-seen",
        type=Literal["all", "train", "none"],
        default="all",
        help="leave out all items that a user has in the data, only those of the train split, as "
        "benchmarks do, or none",
    )
    shared.add_ids(parser, "allow", "only items to recommend, separated by commas", "item")
    shared.add_ids(parser, "deny", "items never to recommend, separated by commas", "item")
    parser.add_argument(
        "--index", action="store_true", help="search the item index: faster, approximate"
    )
    parser.add_argument(
        "--engine",
        type=Literal["local", "ray"],
        default="local",
        help="rank users in this process, or by Ray on this machine or the cluster of RAY_ADDRESS",
    )
    shared.add_data_and_budget(parser)
    shared.add_newcomers(parser)
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Recommends items and writes the table."""
    folder = _folder(arguments)
    if folder is None:
        output.check_arguments(arguments)
    users = shared.given_ids(arguments, "users")
    if users is None:
        raise ValueError("Either '--users' or '--users-file' must be given")
    k, memory_budget, engine = arguments.k, arguments.memory_budget, arguments.engine
    check_options(k, memory_budget, engine, arguments.index)
    ranking = find_ranking(
        shared.with_newcomers(arguments),
        users,
        exclude_seen=arguments.exclude_seen,
        allow=shared.given_ids(arguments, "allow"),
        deny=shared.given_ids(arguments, "deny"),
        data=arguments.data,
        index=arguments.index,
    )
    names = Names.of(arguments)

    def frames(numbers: Sequence[int] | None = None) -> Iterator[pd.DataFrame]:
        return names.present_all(ranking.frames(k, memory_budget, engine, numbers))

    if folder is None:
        output.write(frames(), arguments.format, arguments.out)
    else:
        number = len(ranking.blocks(k, memory_budget))
        write_parts(folder, ranking.digest(k, memory_budget), number, frames)


def _folder(arguments: Namespace) -> Path | None:
    out: str | None = arguments.out
    if out is None or not out.endswith("/"):
        return None
    if arguments.format not in (None, "parquet"):
        raise ValueError(
            f"'--format' must be parquet if '--out' is a folder (got {arguments.format})"
        )
    return Path(out).expanduser()
