"""The command :obj:`soil-pyg explain`."""

from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import arguments as shared
from soil_pyg.cli import output
from soil_pyg.cli.names import Names
from soil_pyg.runs.checkpoint import load
from soil_pyg.utils.progress import status
from soil_pyg.workflow.explain import explain
from soil_pyg.workflow.removal import removal_effects

EXAMPLES = """\
examples:
  soil-pyg explain RUN --user ann --item milk
  soil-pyg explain RUN --user ann --item milk --by modality --format json
  soil-pyg explain RUN --user ann --item milk --by removal

The parts add up exactly to the score. A part is not what the score would lose
without a purchase: --by removal computes that, by building the graphs again
without each purchase."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    shared.add_run(parser)
    parser.add_argument("--user", required=True, help="id of the user")
    parser.add_argument("--item", required=True, help="id of the item")
    parser.add_argument(
        "--by",
        type=Literal["item", "modality", "part", "removal"],
        default="item",
        help="sum the parts per item that led to them or per modality, list every part, or compute "
        "the effect of removing each purchase",
    )
    shared.add_data(parser)
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Writes the parts of the score, and their sum to standard error."""
    output.check_arguments(arguments)
    trained = load(shared.run_folder(arguments))
    if arguments.by == "removal":
        frame = removal_effects(trained, arguments.user, arguments.item, arguments.data)
        output.write(Names.of(arguments).present(frame), arguments.format, arguments.out)
        return
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
