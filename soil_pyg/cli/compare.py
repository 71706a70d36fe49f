"""The command :obj:`soil-pyg compare`."""

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import output
from soil_pyg.workflow.compare import compare

EXAMPLE = """\
examples:
  soil-pyg compare runs/soil runs/lightgcn
  soil-pyg compare runs/* --out runs.csv"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.epilog = EXAMPLE
    parser.add_argument("runs", nargs="+", help="the folders of the runs")
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Compares and writes the table: one run a column for people, one a row for machines.

    Args:
        arguments (Namespace): The arguments.
    """
    file_format = output.check(arguments.format, arguments.out)
    frame = compare(arguments.runs)
    if file_format == "table":
        frame = frame.set_index("run").astype(object).T.rename_axis("", axis=0).reset_index()
    output.write(frame, file_format, arguments.out)
