from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from torch import Tensor


@runtime_checkable
class Encoder(Protocol):
    """An object that computes features from the table of items, such as from titles or pictures.

    An encoder may list content that it could not read in :obj:`skipped`, as strings, with their
    number in :obj:`num_skipped`, and have a :obj:`notice` for the user. If the vector of an item
    changes with the other items, it is a :class:`FittedEncoder`.
    """

    @property
    def name(self) -> str:
        """The name of the encoder, stored with the features."""
        ...

    @property
    def version(self) -> str:
        """The version of the encoder, stored with the features."""
        ...

    def encode(self, items: pd.DataFrame) -> np.ndarray:
        """Returns a matrix with one row per item, in the order of the items.

        A row of NaN or of zeros is a missing modality.

        Args:
            items (pandas.DataFrame): The items as selected by
                :class:`~soil_pyg.datasets.item_table.ItemTable`: their ids in the first column
                :obj:`item`, and null for missing titles, pictures and rows. Without a table there
                are only ids.
        """
        ...


@runtime_checkable
class FittedEncoder(Encoder, Protocol):
    """An encoder that is fitted to the items that it encodes, unless it is restored.

    What it was fitted to is stored with the features, so that later items get vectors that a
    trained model understands. Only an encoder with the same name and version restores it.
    """

    def state(self) -> dict[str, Tensor]:
        """Returns what the encoder was last fitted to."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Encodes all later items by a state, or raises :class:`ValueError` if it is damaged."""
        ...
