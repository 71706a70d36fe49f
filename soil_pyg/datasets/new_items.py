"""Reading of items that came later: their features alone, keyed by their ids."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from soil_pyg.datasets.features import read_features
from soil_pyg.datasets.frames import TableSource, read_ids, read_table


def read_new_items(
    sources: Mapping[str, TableSource], item_column: str = "item"
) -> tuple[np.ndarray, dict[str, Tensor]]:
    """Reads the features of items, whose ids are those that any of the tables names.

    Args:
        sources (mapping): By modality, a data frame or a file with the column :obj:`item_column`
            and the features.
        item_column (str, optional): Column of the item ids. (default: :obj:`"item"`)

    Returns:
        The ids, sorted, and the features by modality, zeros where an item lacks one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no modality, a table has no rows, an id is missing or repeated, or
            a value is not finite.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"item": ["rum", "gin"], "x": [1.0, 2.0], "y": [3.0, 4.0]})
        >>> read_new_items({"image": table})
        (array(['gin', 'rum'], dtype='<U3'), {'image': tensor([[2., 4.], [1., 3.]])})
    """
    found = []
    for modality, source in sources.items():
        name = f"features[{modality!r}]"
        table = read_table(source, name, [item_column])
        if len(table.frame) == 0:
            raise ValueError(f"{name} has no rows")
        found.append(read_ids(table.frame[item_column], table.where, table.is_text).values)
    if not found:
        raise ValueError("'features' must name at least one modality (got none)")
    ids = np.unique(np.concatenate(found))
    return ids, {
        modality: read_features(modality, source, item_column, ids)[0]
        for modality, source in sources.items()
    }
