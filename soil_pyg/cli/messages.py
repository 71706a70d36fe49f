"""The messages of commands on standard error beside errors: warnings, summaries, progress."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.utils.progress import status


def add_messages(parser: ArgumentParser) -> None:
    """Adds the arguments :obj:`--quiet` and :obj:`--log-level`, which every command has."""
    group = parser.add_argument_group("messages")
    group.add_argument("--quiet", action="store_true", help="show no progress and no summary")
    group.add_argument(
        "--log-level",
        type=Literal["debug", "info", "warning", "error"],
        default="warning",
        help="lowest level of messages; info names each step",
    )


class _Handler(logging.Handler):
    """Writes a message as a line, after the progress line of a terminal is gone."""

    def emit(self, record: logging.LogRecord) -> None:
        status.write_line(f"{record.levelname.lower()}: {self.format(record)}")


@contextmanager
def messages(arguments: Namespace) -> Iterator[None]:
    """Shows messages and progress as the arguments of :func:`add_messages` say, which are removed
    from the others.
    """
    logger = logging.getLogger("soil_pyg")
    handler, before = _Handler(), (logger.level, status.enabled)
    quiet, level = arguments.pop("quiet"), arguments.pop("log_level")
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    status.enabled = not quiet
    try:
        yield
    finally:
        status.clear()
        logger.removeHandler(handler)
        logger.level, status.enabled = before
