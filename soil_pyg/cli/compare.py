"""The command :obj:`soil-pyg compare`."""

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli import output
from soil_pyg.workflow.compare import compare

EXAMPLES = """\
examples:
  soil-pyg compare runs/soil runs/lightgcn
  soil-pyg compare runs/* --out runs.csv"""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("runs", nargs="+", help="folders of the runs")
    output.add_arguments(parser)


def run(arguments: Namespace) -> None:
    """Compares and writes the table: one column per run for people, one row for machines."""
    file_format = output.check(arguments.format, arguments.out)
    frame = compare(arguments.runs)
    if file_format == "table":
        frame = frame.set_index("run").astype(object).T.rename_axis("", axis=0).reset_index()
    output.write(frame, file_format, arguments.out)
