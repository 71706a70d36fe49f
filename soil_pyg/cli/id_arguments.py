"""Arguments that name users or items."""

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.workflow.ids import ALL

TAKES_ALL = ("users", "items")


def add_ids(parser: ArgumentParser, name: str, text: str, kind: str) -> None:
    """Adds the arguments :obj:`--<name>` for ids and :obj:`--<name>-file` for a file of ids.

    Args:
        parser (ArgumentParser): The parser.
        name (str): The name of the argument.
        text (str): Its help.
        kind (str): :obj:`"user"` or :obj:`"item"`.
    """
    parser.add_argument(f"--{name}", type=str, help=text)
    parser.add_argument(
        f"--{name}-file",
        metavar="FILE",
        help=f"a file with one id a line, or a table with the column {kind}",
    )


def given_ids(arguments: Namespace, name: str, required: bool = False) -> Any:
    """Returns the ids that were given: a list, a file, :obj:`"all"` or :obj:`None`.

    Args:
        arguments (Namespace): The arguments.
        name (str): The name of the argument.
        required (bool): Whether there must be ids. (default: :obj:`False`)

    Raises:
        ValueError: If both arguments are given, or none although there must be one.
    """
    listed, file = arguments[name], arguments[f"{name}_file"]
    if listed is not None and file is not None:
        raise ValueError(f"Either '--{name}' or '--{name}-file' must be given (got both)")
    if file is not None:
        return Path(file).expanduser()
    if listed is None:
        if required:
            raise ValueError(f"'--{name}' must be given: ids between commas, or '--{name}-file'")
        return None
    return ALL if listed == ALL and name in TAKES_ALL else listed.split(",")
