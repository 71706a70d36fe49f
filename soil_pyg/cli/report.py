"""The command :obj:`soil-pyg report`."""

import sys

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt

from soil_pyg.cli.id_arguments import add_ids, given_ids
from soil_pyg.reports import report
from soil_pyg.workflow.ids import ALL

EXAMPLE = """\
examples:
  soil-pyg report RUN
  soil-pyg report RUNS --out runs.html --users ann,bob"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.epilog = EXAMPLE
    parser.add_argument("run", help="the folder of a run, or a folder of such folders")
    parser.add_argument("--out", default="report.html", help="the page to write")
    parser.add_argument("--data", help="the data folder, if it is not where the run knows it")
    add_ids(parser, "users", "the users to show, between commas", "user")
    parser.add_argument(
        "--num-users",
        type=NonNegativeInt,
        default=6,
        help="how many users to show, from the shortest to the longest history",
    )


def run(arguments: Namespace) -> None:
    """Writes the page and says on standard error where.

    Args:
        arguments (Namespace): The arguments.
    """
    users = given_ids(arguments, "users")
    if users == ALL:
        raise ValueError("'--users' must name users here: a page shows a few (got 'all')")
    path = report(arguments.run, arguments.out, arguments.data, arguments.num_users, users)
    sys.stderr.write(f"'{path}' holds the report: {path.stat().st_size / 1e6:.1f} MB\n")
