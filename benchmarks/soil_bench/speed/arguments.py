"""The arguments that the commands of speed and memory share."""

import os

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt, restricted_number_type

from soil_bench.runs.arguments import Device, add_out
from soil_pyg.utils.device import resolve_device
from soil_pyg.workflow.train import DEVICE_TYPES

Size = restricted_number_type("Size", int, [(">=", 1), ("<=", 2**31 - 1)])
"""A number that a measurement counts, draws or splits."""
PAIRS_PER_USER = 4
"""The least number of pairs per user of drawn data."""


def add_measurement_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of all commands that measure speed and memory."""
    add_out(parser)
    parser.add_argument("--rerun", action="store_true", help="repeat finished measurements")


def add_channels(parser: ArgumentParser, channels: dict[str, int]) -> None:
    """Adds the argument :obj:`--channels` with its default."""
    parser.add_argument(
        "--channels",
        type=dict[str, PositiveInt],
        default=channels,
        help="dimension of the features of each modality",
    )


def add_part_users(parser: ArgumentParser) -> None:
    """Adds the argument :obj:`--part-users`."""
    parser.add_argument(
        "--part-users", type=Size, default=2_500, help="number of users per partition"
    )


def add_data_sizes(parser: ArgumentParser, size: type, **defaults: float) -> None:
    """Adds the arguments of the sizes of drawn data.

    Args:
        parser (ArgumentParser): The parser.
        size (type): The type of the sizes.
        **defaults (float): The default of each size by its name, such as :obj:`users`.
    """
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=size, default=default, help=f"number of {name}")


def add_speed_arguments(parser: ArgumentParser, channels: dict[str, int]) -> None:
    """Adds the arguments of the commands that measure SOIL's graphs and steps.

    Args:
        parser (ArgumentParser): The parser.
        channels (dict[str, int]): The default dimension of the features of each modality.
    """
    add_channels(parser, channels)
    parser.add_argument("--steps", type=Size, default=20, help="number of steps to time")
    parser.add_argument("--batch-size", type=Size, default=2048)
    parser.add_argument("--device", type=Device, default="cpu", help="device of soil_pyg")
    add_measurement_arguments(parser)


def check_speed(arguments: Namespace) -> Namespace:
    """Returns the arguments of :func:`add_speed_arguments` with the device resolved.

    Raises:
        ValueError: If there is no modality, or the device is not available.
    """
    check_channels(arguments)
    arguments.device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
    return arguments


def check_channels(arguments: Namespace) -> None:
    """Raises :class:`ValueError` if :obj:`--channels` names no modality."""
    if not arguments.channels:
        raise ValueError("'--channels' must name at least one modality (got none)")


def check_pairs(arguments: Namespace) -> None:
    """Raises :class:`ValueError` if :obj:`--pairs` is below the least number per user."""
    if arguments.pairs < PAIRS_PER_USER * arguments.users:
        raise ValueError(
            f"'--pairs' must be at least {PAIRS_PER_USER} per user (got {arguments.pairs:.12g} "
            f"with '--users' {arguments.users:.12g})"
        )


def check_memory(flags: str, what: str, num_bytes: int) -> None:
    """Raises :class:`ValueError` if data takes more memory than the machine has, where the system
    tells how much that is.

    Args:
        flags (str): The flags that set the size.
        what (str): The data.
        num_bytes (int): Its size in bytes.
    """
    if not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if num_bytes > memory:
        raise ValueError(
            f"'{flags}' must be smaller: {what} alone would take {num_bytes / 2**30:,.0f} GiB "
            f"(got {memory / 2**30:,.0f} GiB of memory)"
        )
