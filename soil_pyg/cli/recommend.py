"""The command :obj:`soil-pyg recommend`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import newcomers, output
from soil_pyg.cli.id_arguments import add_ids, given_ids
from soil_pyg.workflow.recommend import recommend_blocks

EXAMPLE = """\
examples:
  soil-pyg recommend RUN --users ann,bob --k 5
  soil-pyg recommend RUN --users all --k 20 --out recommendations.parquet
  soil-pyg recommend RUN --users-file users.txt --deny milk,tea --format json
  soil-pyg recommend RUN --users zoe --new-users purchases_of_zoe.csv"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.epilog = EXAMPLE
    parser.add_argument("run", help="the folder of the run, made by 'soil-pyg train'")
    add_ids(parser, "users", "the users, between commas, or all", "user")
    parser.add_argument("--k", type=int, default=10, help="the number of items a user")
    parser.add_argument(
        "--exclude-seen",
        type=bool | Literal["all"],
        default=True,
        help="leave out a user's training items; all: held-out ones, too; false: none",
    )
    add_ids(parser, "allow", "recommend these items only, between commas", "item")
    add_ids(parser, "deny", "never recommend these items, between commas", "item")
    parser.add_argument(
        "--index", action="store_true", help="search the item index: faster for very many items"
    )
    parser.add_argument("--data", help="the data folder, if it is not where the run knows it")
    parser.add_argument(
        "--memory-budget", type=int, default=2**30, help="bytes that a block of users may take"
    )
    newcomers.add_arguments(parser)
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Recommends and writes the table.

    Args:
        arguments (Namespace): The arguments.
    """
    output.check(arguments.format, arguments.out)
    users = given_ids(arguments, "users", required=True)
    frames = recommend_blocks(
        newcomers.with_newcomers(arguments),
        users,
        k=arguments.k,
        exclude_seen=arguments.exclude_seen,
        allow=given_ids(arguments, "allow"),
        deny=given_ids(arguments, "deny"),
        data=arguments.data,
        memory_budget=arguments.memory_budget,
        index=arguments.index,
    )
    output.write(frames, arguments.format, arguments.out)
