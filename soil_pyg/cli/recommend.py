"""The command :obj:`soil-pyg recommend`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.cli import output
from soil_pyg.cli.names import Names
from soil_pyg.workflow.recommend import recommend_blocks

EXAMPLES = """\
examples:
  soil-pyg recommend RUN --users ann,bob --k 5
  soil-pyg recommend RUN --users all --k 20 --out recommendations.parquet
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
    shared.add_data_and_budget(parser)
    shared.add_newcomers(parser)
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Recommends items and writes the table."""
    output.check(arguments.format, arguments.out)
    users = shared.given_ids(arguments, "users")
    if users is None:
        raise ValueError("Either '--users' or '--users-file' must be given")
    frames = recommend_blocks(
        shared.with_newcomers(arguments),
        users,
        k=arguments.k,
        exclude_seen=arguments.exclude_seen,
        allow=shared.given_ids(arguments, "allow"),
        deny=shared.given_ids(arguments, "deny"),
        data=arguments.data,
        memory_budget=arguments.memory_budget,
        index=arguments.index,
    )
    names = Names.of(arguments)
    output.write(names.present_all(frames), arguments.format, arguments.out)
