"""The page of results, see :mod:`soil_bench.pages.results`."""

import sys

from soil_pyg.utils.signals import exit_on_signals


def main(argv: list[str] | None = None) -> int:
    """Writes the page and returns the exit code; without arguments, those of the process."""
    if argv is None:
        exit_on_signals("page.py")
        argv = sys.argv[1:]
    # Imported once signals are handled, as it takes seconds.
    from soil_bench.pages.results import run_page

    return run_page(argv)


if __name__ == "__main__":
    sys.exit(main())
