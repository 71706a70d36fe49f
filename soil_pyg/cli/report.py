"""The command :obj:`soil-pyg report`."""

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt

from soil_pyg.cli import arguments as shared
from soil_pyg.reports.report import report
from soil_pyg.utils.progress import status
from soil_pyg.workflow.ids import ALL

EXAMPLES = """\
examples:
  soil-pyg report RUN
  soil-pyg report RUNS --out runs.html --users ann,bob"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("run", help="folder of a run, or folder that holds such folders")
    shared.add_model_module(parser)
    parser.add_argument("--out", default="report.html", help="page to write")
    shared.add_data(parser)
    shared.add_ids(parser, "users", "users to show, separated by commas", "user")
    parser.add_argument(
        "--num-users",
        type=NonNegativeInt,
        default=6,
        help="number of users to show, from the shortest to the longest history",
    )


def run(arguments: Namespace) -> None:
    """Writes the page, and its path and size to standard error."""
    users = shared.given_ids(arguments, "users")
    if users == ALL:
        raise ValueError("'--users' must list ids, as the page shows only a few (got 'all')")
    folder = shared.run_folder(arguments)
    path = report(folder, arguments.out, arguments.data, arguments.num_users, users)
    status.log(f"wrote '{path}' ({path.stat().st_size / 1e6:.1f} MB)")
