"""The original ids of the users and items of a run, as arrays that are mapped."""

from pathlib import Path

import numpy as np
from torch_geometric.data import HeteroData

from soil_pyg.datasets.storage import load_data, save_data
from soil_pyg.runs.schema import FORMER_IDS, IDS, REMEDY, IdRecord
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.files import remove
from soil_pyg.utils.records import DamagedFileError, parse_json, validate


def save_ids(folder: Path, ids: dict[str, np.ndarray]) -> None:
    """Writes the ids of the users and items of a run, by node type."""
    data = HeteroData()
    for node_type, values in ids.items():
        if values.dtype == object and not all(type(value) is str for value in values):
            data[node_type].id = values.tolist()
        else:
            data[node_type].id = values.astype(values.dtype.newbyteorder("="), copy=False)
    save_data(data, folder / IDS)
    remove(folder / FORMER_IDS)


def load_ids(path: Path) -> dict[str, np.ndarray]:
    """Returns the ids of the users and items of a run, from a file whose digest has been compared;
    raises :class:`DamagedFileError` if it does not hold them.
    """
    if path.name == FORMER_IDS:
        return _load_former(path)
    data = load_data(path, REMEDY, verified=True)
    ids = {}
    for node_type in (USER, ITEM):
        found = data[node_type].get("id") if node_type in data.node_types else None
        found = np.array(found, dtype=object) if isinstance(found, list) else found
        if not isinstance(found, np.ndarray) or found.ndim != 1:
            raise DamagedFileError(path, f"has no ids of type '{node_type}'", REMEDY)
        ids[node_type] = found
    return ids


def _load_former(path: Path) -> dict[str, np.ndarray]:
    try:
        ids = validate(IdRecord, parse_json(path.read_bytes()), path, REMEDY)
        return {USER: ids.user.array(), ITEM: ids.item.array()}
    except DamagedFileError:
        raise
    except ValueError as error:
        raise DamagedFileError(path, f"is damaged ({error})", REMEDY) from error
