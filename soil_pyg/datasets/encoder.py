from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd


@runtime_checkable
class Encoder(Protocol):
    """What makes features of the items from their table, such as of titles or of pictures.

    An encoder may name what it could not read as :obj:`skipped`, a list of strings.
    """

    @property
    def name(self) -> str:
        """Its name, kept with the features."""
        ...

    @property
    def version(self) -> str:
        """Its version, kept with the features."""
        ...

    def encode(self, items: pd.DataFrame) -> np.ndarray:
        """Returns a matrix with one row an item, in their order.

        A row of NaN or of zeros is a missing modality.

        Args:
            items (pandas.DataFrame): The items, as :class:`~soil_pyg.datasets.item_table.ItemTable`
                selects them: their ids in the first column :obj:`item`, and null where an item has
                no title, no picture or no row of its own. Without a table there are the ids alone.
        """
        ...
