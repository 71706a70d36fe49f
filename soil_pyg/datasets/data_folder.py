"""The folder of prepared data: what :func:`soil_pyg.prepare` writes and every other step reads."""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow
from torch_geometric.data import HeteroData

from soil_pyg.datasets.storage import load_data, save_data
from soil_pyg.utils.files import file_digest, write_json

FORMAT = 1
DATA = "data.safetensors"
ITEMS = "items.parquet"
DESCRIPTION = "prepare.json"


def load_data_folder(path: str | os.PathLike[str]) -> HeteroData:
    """Returns the data of a folder that :func:`soil_pyg.prepare` has written.

    Args:
        path (str or os.PathLike): The folder.

    Raises:
        FileNotFoundError: If the folder or one of its files does not exist.
        ValueError: If a file is of another format or not as it was written.
    """
    return load_data(_checked(path, DATA))


def load_item_table(path: str | os.PathLike[str]) -> pd.DataFrame | None:
    """Returns the table of the items, one row an item in the order of the data, if there is one.

    Its first column :obj:`item` holds the ids. Where the data has them, the next are :obj:`title`
    and :obj:`image`, the absolute path or the address of a picture; what an item lacks is null.

    Args:
        path (str or os.PathLike): The folder.

    Raises:
        FileNotFoundError: If the folder does not exist or is not complete.
        ValueError: If a file is of another format or not as it was written.
    """
    if ITEMS not in load_description(path)["files"]:
        return None
    return pd.read_parquet(_checked(path, ITEMS))


def load_description(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns how the data of a folder was prepared, the content of its :obj:`prepare.json`.

    Args:
        path (str or os.PathLike): The folder.

    Raises:
        FileNotFoundError: If the folder does not exist or is not complete.
        ValueError: If the file is corrupt or of another version of the format.
    """
    file = Path(path) / DESCRIPTION
    if not Path(path).is_dir():
        raise FileNotFoundError(f"The data folder '{path}' does not exist: check its path")
    if not file.is_file():
        raise FileNotFoundError(f"'{path}' has no {DESCRIPTION}: prepare the data there first")
    try:
        description = json.loads(file.read_text("utf-8"))
        got, _ = description["format"], description["files"].items()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"'{file}' is corrupt: prepare the data again ({error!r})") from error
    if got != FORMAT:
        raise ValueError(
            f"'{file}' must have format {FORMAT} (got {got!r}): prepare the data again"
        )
    return description


def save_data_folder(
    folder: Path, data: HeteroData, items: pd.DataFrame | None, description: dict[str, Any]
) -> dict[str, Any]:
    """Writes the files of a data folder and returns its description, which is written last.

    Args:
        folder (Path): The folder, which exists and is empty.
        data (HeteroData): The data.
        items (pandas.DataFrame, optional): The table of the items, in the order of the data.
        description (dict[str, Any]): JSON values that say how the data was prepared.
    """
    save_data(data, folder / DATA)
    if items is not None:
        items.to_parquet(folder / ITEMS, index=False)
    files = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    description = {"format": FORMAT, **description, "versions": _versions(), "files": files}
    write_json(folder / DESCRIPTION, description)
    return description


@contextmanager
def new_folder(out: str | os.PathLike[str], overwrite: bool | None = None) -> Iterator[Path]:
    """Gives an empty folder beside its place, which takes this place if nothing fails.

    Args:
        out (str or os.PathLike): The place.
        overwrite (bool, optional): Whether a data folder may be there, to be replaced; with
            :obj:`None` no error offers that. (default: :obj:`None`)

    Raises:
        ValueError: If there is something else.
    """
    out = Path(os.path.abspath(Path(out).expanduser()))
    _check_place(out, overwrite)
    missing = [parent for parent in out.parents if not parent.exists()]
    temporary, old = (out.with_name(f".{out.name}.{uuid4().hex}.{end}") for end in ("tmp", "old"))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _check_place(out, overwrite)
        if out.exists():
            out.rename(old)
        temporary.rename(out)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno is not None:
            # The place that was asked for says more than the one beside it.
            is_beside = str(error.filename or temporary).startswith(str(temporary))
            error.filename = str(out) if is_beside else error.filename
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists():
            old.rename(out)
        with suppress(OSError):
            for parent in missing:
                parent.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _check_place(out: Path, overwrite: bool | None) -> None:
    if not out.is_dir():
        if out.exists():
            raise ValueError(f"'{out}' is a file: choose another folder")
        return
    names = {path.name for path in out.iterdir()}
    if others := sorted(names - {DATA, ITEMS, DESCRIPTION}):
        raise ValueError(f"'{out}' holds other files ({others[0]}): choose an empty or new folder")
    if names and not overwrite:
        or_replace = "" if overwrite is None else ", or replace it with 'overwrite' (--overwrite)"
        raise ValueError(f"'{out}' holds prepared data: choose another folder{or_replace}")


def _checked(path: str | os.PathLike[str], name: str) -> Path:
    digest = load_description(path)["files"].get(name)
    file = Path(path) / name
    if not file.is_file():
        raise FileNotFoundError(f"'{path}' has no {name}: prepare the data again")
    if file_digest(file) != digest:
        raise ValueError(
            f"'{file}' is not the file that was written with {DESCRIPTION}: prepare the data again"
        )
    return file


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "torch_geometric", "numpy", "pandas")}
    return {
        "soil_pyg": import_module("soil_pyg").__version__,
        "python": platform.python_version(),
        **packages,
        "pyarrow": pyarrow.__version__,
    }
