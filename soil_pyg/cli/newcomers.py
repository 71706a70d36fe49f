"""The arguments of commands that take users and items that came after the training."""

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.datasets.new_items import read_new_items
from soil_pyg.runs.checkpoint import load
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.add_items import add_items
from soil_pyg.workflow.add_users import add_users
from soil_pyg.workflow.run_data import load_run_data


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments :obj:`--new-items` and :obj:`--new-users`.

    Args:
        parser (ArgumentParser): The parser.
    """
    parser.add_argument(
        "--new-items",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="items that came later: by modality a table with the column item and the features",
    )
    parser.add_argument(
        "--new-users",
        metavar="FILE",
        help="users that came later: a table of their interactions, with the columns user and item",
    )


def with_newcomers(arguments: Namespace) -> TrainedModel | str:
    """Returns the run with the users and items that came later, or its folder if there are none.

    Args:
        arguments (Namespace): The arguments, with those of :func:`add_arguments`.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If an argument is wrong, an id is known already, or a table cannot be right.
    """
    sources = _sources(arguments.new_items)
    if not sources and arguments.new_users is None:
        return arguments.run
    for flag in ("index", "by"):
        if sources and arguments.get(flag):
            raise ValueError(f"'--{flag}' does not know the items of '--new-items': leave one out")
    trained = load(arguments.run)
    data = load_run_data(trained, arguments.data)
    if sources:
        ids, features = read_new_items(sources)
        trained = add_items(trained, data, features, ids.tolist())
    if arguments.new_users is not None:
        trained = add_users(trained, data, arguments.new_users)
    return trained


def _sources(groups: list[list[str]]) -> dict[str, str]:
    sources: dict[str, str] = {}
    for text in (text for group in groups for text in group):
        modality, equals, file = text.partition("=")
        if not (modality and equals and file):
            raise ValueError(
                f"--new-items must be NAME=FILE, as in image=new.parquet (got {text!r})"
            )
        if modality in sources:
            raise ValueError(f"--new-items names {modality!r} twice: give each modality once")
        sources[modality] = file
    return sources
