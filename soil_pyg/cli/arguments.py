"""Arguments that several commands share."""

from collections.abc import Container
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from soil_pyg.cli.names import Names
from soil_pyg.datasets.encoder import Encoder
from soil_pyg.datasets.new_items import read_new_items
from soil_pyg.encoders import parse_encoder
from soil_pyg.models.resolver import import_named
from soil_pyg.runs.checkpoint import load
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import ITEM, USER
from soil_pyg.workflow.add_items import add_items
from soil_pyg.workflow.add_users import add_users
from soil_pyg.workflow.ids import ALL, IdSource
from soil_pyg.workflow.run_data import load_run_data

ACCEPTS_ALL = ("users", "items")
"""The arguments for which the value :obj:`all` selects all ids."""


def add_run(parser: ArgumentParser) -> None:
    """Adds the argument :obj:`run`."""
    parser.add_argument("run", help="folder of the run, written by 'soil-pyg train'")
    add_model_module(parser)


def add_model_module(parser: ArgumentParser) -> None:
    """Adds the argument :obj:`--model-module`."""
    parser.add_argument(
        "--model-module",
        metavar="MODULE",
        help="module of a model of your own that the run was trained with, to be imported",
    )


def run_folder(arguments: Namespace, name: str = "run") -> str:
    """Returns the folder of the run after an import of :obj:`--model-module`. A run does not choose
    what is imported.
    """
    if arguments.model_module is not None:
        import_named(arguments.model_module, "'--model-module'")
    folder: str = arguments[name]
    return folder


def add_data(parser: ArgumentParser) -> None:
    """Adds the argument :obj:`--data`."""
    parser.add_argument("--data", help="data folder (default: the one the run was trained on)")


def add_data_and_budget(parser: ArgumentParser) -> None:
    """Adds the arguments :obj:`--data` and :obj:`--memory-budget`."""
    add_data(parser)
    parser.add_argument("--memory-budget", type=int, default=2**30, help="bytes per block of rows")


def add_ids(parser: ArgumentParser, name: str, text: str, kind: str) -> None:
    """Adds the arguments :obj:`--<name>` for ids and :obj:`--<name>-file` for a file of ids."""
    parser.add_argument(f"--{name}", type=str, help=text)
    parser.add_argument(
        f"--{name}-file",
        metavar="FILE",
        help=f"file with one id per line, or table with the column {kind}",
    )


def given_ids(arguments: Namespace, name: str) -> IdSource | None:
    """Returns the given ids: a list, a file, :obj:`"all"` or :obj:`None`. Raises
    :class:`ValueError` if both arguments of :func:`add_ids` are given.
    """
    listed: str | None = arguments[name]
    file: str | None = arguments[f"{name}_file"]
    if listed is not None and file is not None:
        raise ValueError(f"Either '--{name}' or '--{name}-file' must be given (got both)")
    if file is not None:
        return Path(file).expanduser()
    if listed is None or (listed == ALL and name in ACCEPTS_ALL):
        return listed
    return listed.split(",")


def named_files(groups: list[list[str]], flag: str, example: str) -> dict[str, str]:
    """Returns the files by modality from the values of each occurrence of a flag. Raises
    :class:`ValueError` if a value has another form, or two values name the same modality.

    Example:
        >>> named_files([["image=a.npy"], ["text=b.npy"]], "--features", "image=image.npy")
        {'image': 'a.npy', 'text': 'b.npy'}
    """
    files: dict[str, str] = {}
    for text in (text for group in groups for text in group):
        modality, equals, file = text.partition("=")
        if not (modality and equals and file):
            raise ValueError(f"'{flag}' must be NAME=FILE, such as {example} (got {text!r})")
        if modality in files:
            raise ValueError(f"'{flag}' must name each modality once (got {modality!r} twice)")
        files[modality] = file
    return files


def add_embed(parser: ArgumentParser, text: str) -> None:
    """Adds the arguments :obj:`--embed` and :obj:`--embed-cache`."""
    parser.add_argument(
        "--embed", nargs="+", action="append", metavar="NAME=SOURCE[:MODEL]", help=text
    )
    parser.add_argument(
        "--embed-cache",
        default="auto",
        help="folder that caches computed features; auto: soil_pyg/embed in the user's cache",
    )


def encoders(
    arguments: Namespace, root: str | Path | None, others: Container[str] = ()
) -> dict[str, Encoder]:
    """Returns the encoders of :func:`add_embed` by modality.

    Raises :class:`ValueError` if a modality is given twice or is one of the others.
    """
    cache = arguments.embed_cache
    if Path(cache).expanduser().is_file():
        raise ValueError(f"'embed_cache' must be a folder (got the file '{cache}')")
    found: dict[str, Encoder] = {}
    for text in (text for group in arguments.embed or [] for text in group):
        modality, encoder = parse_encoder(text, root, cache)
        if modality in found or modality in others:
            raise ValueError(f"'--embed' must name each modality once (got {modality!r} twice)")
        found[modality] = encoder
    return found


def add_newcomers(parser: ArgumentParser) -> None:
    """Adds the arguments :obj:`--new-items` and :obj:`--new-users`."""
    parser.add_argument(
        "--new-items",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="new items: per modality, a table with the column of items and the features",
    )
    parser.add_argument(
        "--new-users",
        metavar="FILE",
        help="new users: a table of their interactions with the columns of users and items",
    )


def with_newcomers(arguments: Namespace) -> TrainedModel | str:
    """Returns the run with the new users and items of :func:`add_newcomers`, or its folder if there
    are none.
    """
    run = run_folder(arguments)
    sources = named_files(arguments.new_items, "--new-items", "image=new.parquet")
    if not sources and arguments.new_users is None:
        return run
    for flag in ("index", "by"):
        if sources and arguments.get(flag):
            raise ValueError(f"'--{flag}' does not cover '--new-items': give one of the two")
    trained = load(run)
    data = load_run_data(trained, arguments.data)
    columns = Names.of(arguments).columns
    if sources:
        ids, features = read_new_items(sources, columns[ITEM])
        trained = add_items(trained, data, features, ids.tolist())
    if arguments.new_users is not None:
        names = (columns[USER], columns[ITEM])
        trained = add_users(trained, data, arguments.new_users, *names)
    return trained
