"""The tables and figures of the SOIL paper, each by its name and on any data set.

Finished runs are shared with the other commands and not run again. Tables and pictures are written
to the folder "paper" of the results.
"""

from importlib import import_module

from rich.console import Console

from soil_bench.runs.arguments import add_run_arguments, make_console, make_parser
from soil_bench.runs.experiment import PAPER_FOLDER, Experiment

NAMES = {
    "table1": ("soil_bench.paper.table1", "the data set beside its published statistics"),
    "table2": (
        "soil_bench.paper.table2",
        "all models, and the significance of SOIL against the others",
    ),
    "table3": ("soil_bench.paper.table3", "SOIL without its graphs and losses"),
    "figure4": ("soil_bench.paper.figure4", "the weights of the losses, and k against k_i"),
    "figure5": ("soil_bench.paper.figure5", "the number of second-order items"),
    "figure6": ("soil_bench.paper.figure6", "second-order items that users chose later"),
    "figure7": ("soil_bench.paper.figure7", "the consistency of the two embedding spaces"),
}
"""The module and the description of each table and figure.

A module has :obj:`add_arguments(parser)`, and :obj:`run(experiment, arguments, folder)`, which
executes unfinished runs, writes the files to the folder, and prints the table. It raises
:class:`ValueError` if a setting is invalid, and :class:`FailedRunsError` if a run fails.
"""


def main(argv: list[str]) -> int:
    """Makes one table or figure and returns the exit code."""
    name, *rest = argv or [""]
    if name in ("-h", "--help"):
        Console(highlight=False, markup=False, soft_wrap=True).print(usage())
        return 0
    if name not in NAMES:
        raise ValueError(f"'NAME' must be one of {', '.join(NAMES)} (got '{name}')")
    module, description = NAMES[name]
    maker = import_module(module)
    parser = make_parser(f"paper {name}", f"{description[0].upper()}{description[1:]}.")
    add_run_arguments(parser)
    maker.add_arguments(parser)
    arguments = parser.parse_args(rest)
    experiment = Experiment(arguments, make_console())
    maker.run(experiment, arguments, experiment.out / PAPER_FOLDER)
    return 0


def usage() -> str:
    """Returns the usage of the command, with one line per table and figure."""
    lines = [f"  {name:<8} {description}" for name, (_, description) in NAMES.items()]
    head = f"usage: run.py paper NAME [options]\n\n{(__doc__ or '').strip()}\n"
    return "\n".join([head, *lines, "", "Options of each: run.py paper NAME --help"])
