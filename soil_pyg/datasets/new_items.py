"""Reading of the features of new items, keyed by their ids."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from soil_pyg.datasets.features import read_features
from soil_pyg.datasets.frames import TableSource, read_table
from soil_pyg.datasets.ids import union_ids


def read_new_items(
    sources: Mapping[str, TableSource], item_column: str = "item"
) -> tuple[np.ndarray, dict[str, Tensor]]:
    """Reads the features of all items that occur in any of the tables, one per modality.

    Returns the sorted ids and the features per modality, with zeros for missing ones. Raises
    :class:`FileNotFoundError` if there is no such file, and :class:`ValueError` if there is no
    modality, a table has no rows, an id is missing or repeated, or a value is not finite.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"item": ["rum", "gin"], "x": [1.0, 2.0], "y": [3.0, 4.0]})
        >>> read_new_items({"image": table})
        (array(['gin', 'rum'], dtype='<U3'), {'image': tensor([[2., 4.], [1., 3.]])})
    """
    found = []
    for modality, source in sources.items():
        table = read_table(source, f"features[{modality!r}]", [item_column])
        table.refuse_empty()
        found.append(table.ids(item_column).values)
    if not found:
        raise ValueError("'features' must name at least one modality (got none)")
    ids = union_ids(found)
    return ids, {
        modality: read_features(modality, source, item_column, ids)[0]
        for modality, source in sources.items()
    }
