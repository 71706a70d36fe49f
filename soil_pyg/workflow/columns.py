"""The names of the columns of ids that data was prepared from."""

import os

from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import load_description
from soil_pyg.typing import ITEM, USER


def id_columns(data: HeteroData | str | os.PathLike[str] | None) -> dict[str, str]:
    """Returns the columns of user and item ids that :func:`soil_pyg.prepare` read for a data
    folder, and the default names for data of another origin.

    Example:
        >>> id_columns(None)
        {'user': 'user', 'item': 'item'}
    """
    names = {USER: USER, ITEM: ITEM}
    if data is None or isinstance(data, HeteroData):
        return names
    try:
        arguments = load_description(data).get("arguments")
    except FileNotFoundError:
        return names
    arguments = arguments if isinstance(arguments, dict) else {}
    return {name: str(arguments.get(f"{name}_column") or name) for name in names}
