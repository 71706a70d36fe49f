"""The command :obj:`soil-pyg explain`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.cli import output
from soil_pyg.cli.names import Names
from soil_pyg.runs.checkpoint import load
from soil_pyg.utils.progress import status
from soil_pyg.workflow.explain import explain

EXAMPLES = """\
examples:
  soil-pyg explain RUN --user ann --item milk
  soil-pyg explain RUN --user ann --item milk --by modality --format json"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    shared.add_run(parser)
    parser.add_argument("--user", required=True, help="id of the user")
    parser.add_argument("--item", required=True, help="id of the item")
    parser.add_argument(
        "--by",
        type=Literal["item", "modality", "part"],
        default="item",
        help="sum the parts per item that led to them or per modality, or list every part",
    )
    shared.add_data(parser)
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Writes the parts of the score, and their sum to standard error."""
    output.check(arguments.format, arguments.out)
    trained = load(shared.run_folder(arguments))
    found = explain(trained, arguments.user, arguments.item, arguments.data)
    if arguments.by == "part":
        frame = found.parts
    else:
        frame = found.by_item() if arguments.by == "item" else found.by_modality()
    output.write(Names.of(arguments).present(frame), arguments.format, arguments.out)
    status.log(
        f"user {found.user}, item {found.item}: {len(found.parts):,} parts sum to "
        f"{found.total:.6f}, the score is {found.score:.6f}"
    )
