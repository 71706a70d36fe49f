"""The folder of prepared data, which :func:`soil_pyg.prepare` writes for all other steps."""

import os
import platform
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from torch_geometric.data import HeteroData

from soil_pyg.datasets.ids import is_utf8
from soil_pyg.datasets.parquet_size import check_parquet_size
from soil_pyg.datasets.schema import DATA, ENCODERS, ITEMS, Description
from soil_pyg.datasets.storage import REMEDY, load_data, save_data
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER
from soil_pyg.utils.checks import check_path
from soil_pyg.utils.data_checks import check_edges, count_nodes
from soil_pyg.utils.files import atomic_folder, file_digest
from soil_pyg.utils.hetero import has_edges
from soil_pyg.utils.records import (
    DamagedFileError,
    check_files,
    read_record,
    validate,
    write_record,
)
from soil_pyg.utils.workplace import remove_debris

FORMAT = 1
"""The version of the format of :obj:`prepare.json`."""
DESCRIPTION = "prepare.json"


def load_data_folder(path: str | os.PathLike[str]) -> HeteroData:
    """Returns the data of a folder that :func:`soil_pyg.prepare` has written.

    Args:
        path (str or os.PathLike): The folder.

    Raises:
        FileNotFoundError: If the folder or one of its files does not exist.
        ValueError: If a file has another format or was changed.
    """
    check_path("path", path)
    file = data_file(path, DATA)
    data = load_data(file, verified=True)
    try:
        _check_sizes(data)
    except ValueError as error:
        raise DamagedFileError(file, f"is inconsistent ({error})", REMEDY) from error
    return data


def _check_sizes(data: HeteroData) -> None:
    """Raises :class:`ValueError` if edges, ids or features do not fit the numbers of nodes."""
    for attr in EDGE_INDICES:
        if has_edges(data, INTERACTS, attr):
            check_edges(data, INTERACTS, attr)
    for node_type in (USER, ITEM):
        for name, value in data[node_type].items() if node_type in data.node_types else ():
            is_row_wise = name == "id" or name.startswith("x_")
            if is_row_wise and len(value) != count_nodes(data, node_type):
                raise ValueError(
                    f"'{name}' of '{node_type}' must have {count_nodes(data, node_type)} rows "
                    f"(got {len(value)})"
                )


def load_item_table(path: str | os.PathLike[str]) -> pd.DataFrame | None:
    """Returns the table of the items of a data folder, or :obj:`None` if the folder has none.

    There is one row per item, in the order of the data. The first column, :obj:`item`, holds the
    ids. The columns :obj:`title` and :obj:`image`, the absolute path or the address of a picture,
    follow if the data has them. Missing values are null. Raises the errors of
    :func:`load_data_folder`.
    """
    if ITEMS not in load_description(path)["files"]:
        return None
    file = data_file(path, ITEMS)
    try:
        check_parquet_size(file)
        return pd.read_parquet(file)
    except (ValueError, OSError) as error:
        raise DamagedFileError(file, f"is no table ({error})", REMEDY) from error


def load_description(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the content of :obj:`prepare.json`, which says how the data was prepared.

    Raises :class:`FileNotFoundError` if the folder does not exist or is not complete, and
    :class:`ValueError` if the file is corrupt or has another version of the format.
    """
    given, path = path, Path(path).expanduser()
    folder = Path(os.path.realpath(path))
    if not folder.exists():
        # A killed process may have moved it away and not replaced it.
        remove_debris(folder.parent, folder.name)
    if not folder.is_dir():
        raise FileNotFoundError(f"The data folder '{given}' does not exist: check its path")
    file = path / DESCRIPTION
    if not file.exists() and (path / "run.json").exists():
        raise FileNotFoundError(f"'{given}' is a run: give the data folder instead")
    description = read_record(file, FORMAT, REMEDY)
    validate(Description, description, file, REMEDY)
    return description


def save_data_folder(
    folder: Path, data: HeteroData, items: pd.DataFrame | None, description: dict[str, Any]
) -> dict[str, Any]:
    """Writes the files of a data folder, the description last, and returns the description, which
    covers the files that the folder has already.

    The folder must exist. The items are in the order of the data, and the description holds JSON
    values.
    """
    save_data(data, folder / DATA)
    if items is not None:
        items.to_parquet(folder / ITEMS, index=False)
    files = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    description = {"format": FORMAT, **description, "versions": _versions(), "files": files}
    write_record(folder / DESCRIPTION, description)
    return description


def new_folder(
    out: str | os.PathLike[str], overwrite: bool | None = None
) -> AbstractContextManager[Path]:
    """Returns a context with an empty temporary folder, which moves to its path on success.

    On entry, raises :class:`ValueError` if the path exists and must not be replaced. Callers that
    cannot replace a data folder leave :obj:`overwrite` out, and the error does not mention it.
    """
    out = Path(os.path.abspath(Path(out).expanduser()))
    if not is_utf8(str(out)):
        raise ValueError(f"'out' must be a path in UTF-8 (got {str(out)!a})")
    return atomic_folder(out, partial(_check_place, out, overwrite))


def _check_place(out: Path, overwrite: bool | None) -> None:
    if not out.is_dir():
        if out.exists():
            raise ValueError(f"'{out}' is a file: choose another folder")
        return
    names = {path.name for path in out.iterdir()}
    if others := sorted(names - {DATA, ITEMS, ENCODERS, DESCRIPTION}):
        raise ValueError(f"'{out}' holds other files ({others[0]}): choose an empty or new folder")
    if names and not overwrite:
        or_replace = "" if overwrite is None else ", or replace it with 'overwrite' (--overwrite)"
        raise ValueError(f"'{out}' holds prepared data: choose another folder{or_replace}")


def data_file(path: str | os.PathLike[str], name: str) -> Path:
    """Returns the path of a file of a data folder. Raises the errors of :func:`load_description`
    and :class:`ValueError` if the file is missing or was changed.
    """
    folder = Path(path).expanduser()
    check_files(folder / DESCRIPTION, load_description(folder)["files"], [name], REMEDY)
    return folder / name


def _versions() -> dict[str, str]:
    packages = ("torch", "torch_geometric", "numpy", "pandas", "pyarrow")
    own = {"soil_pyg": import_module("soil_pyg").__version__, "python": platform.python_version()}
    return own | {package: version(package) for package in packages}
