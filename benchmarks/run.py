"""The benchmark, see :mod:`soil_bench.runs.command` and the other modules of :data:`COMMANDS`."""

import os
import sys

from soil_bench.runs.commands import COMMANDS, DEFAULT
from soil_pyg.utils.signals import exit_on_signals


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark and returns the exit code; without arguments, those of the process."""
    is_process = argv is None
    argv = sys.argv[1:] if argv is None else argv
    name = argv[0] if argv and argv[0] in COMMANDS else ""
    prog = f"run.py {name}".strip()
    if is_process:
        exit_on_signals(prog)
    # Users' own models are imported from the working directory.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    # Imported once signals are handled, as it takes seconds.
    from soil_bench.runs.arguments import run_benchmark

    module = COMMANDS[name][0] if name else DEFAULT
    return run_benchmark(prog, module, argv[1:] if name else argv)


if __name__ == "__main__":
    sys.exit(main())
