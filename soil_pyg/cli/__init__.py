"""The command :obj:`soil-pyg`, with one module per subcommand that is imported on use.

Each module has the text :obj:`EXAMPLES`, which ends the help, :obj:`add_arguments(parser)` and
:obj:`run(arguments)`. A module whose flags depend on others also has
:obj:`add_options(parser, argv)`.
"""

import sys

from soil_pyg.utils.progress import status
from soil_pyg.utils.signals import exit_on_signals

COMMANDS = {
    "prepare": "make a data folder from interactions and item features",
    "encode": "compute the features of new items as those of a data folder",
    "train": "train a model on a data folder",
    "recommend": "recommend items to users",
    "similar": "find the items most similar to an item, or the users most similar to a user",
    "explain": "split a score into its parts",
    "evaluate": "rank all items for every user and compute the metrics",
    "compare": "show the settings in which runs differ and their metrics side by side",
    "report": "write a one-page report on a run or on a folder of runs",
    "serve": "answer requests for recommendations over HTTP",
    "export": "write data and embeddings in other formats",
}


STILL = {"-h", "--help", "--version", "--quiet", "--print-completion"}
"""The flags of commands that show no progress."""


def main(argv: list[str] | None = None) -> int:
    """Runs a command line without the name of the program and returns its exit code: 0 for success,
    2 for wrong input, 1 for any other failure, and 128 more than the number of a signal that ended
    it, such as 130 after Ctrl-C and 143 after SIGTERM.

    Without an argument, the command line and the signals are those of the process. With one,
    signals are left to the caller.
    """
    is_process = argv is None
    argv = sys.argv[1:] if argv is None else argv
    prog = f"soil-pyg {argv[0]}" if argv and argv[0] in COMMANDS else "soil-pyg"
    if is_process:
        exit_on_signals(prog)
        if not STILL.intersection(argv):
            status.show(f"{prog}: starting")
    # Imported once signals are handled, as it takes time.
    from soil_pyg.cli.subcommand import run_subcommand

    return run_subcommand(prog, argv)
