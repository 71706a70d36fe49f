"""The user's own names in the tables of commands: columns of ids, and titles beside ids."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jsonargparse import Namespace

from soil_pyg.datasets.data_folder import load_item_table
from soil_pyg.datasets.ids import find_ids
from soil_pyg.datasets.item_table import TITLE
from soil_pyg.runs.checkpoint import load_finished_run
from soil_pyg.typing import ITEM
from soil_pyg.workflow.columns import id_columns

OF_ITEMS = (ITEM, "via", "similar")
"""The columns with ids of items."""
TAKEN = {"rank", "score", "similar", "split", "kind", "value", TITLE}
"""The other columns of tables, which no column of ids may be renamed to."""


@dataclass(frozen=True)
class Names:
    """The names of a data folder, or the default ones without a folder.

    Args:
        folder (str, optional): The data folder.
    """

    folder: str | None

    @classmethod
    def of(cls, arguments: Namespace) -> "Names":
        """Returns the names of the data that the arguments of a command select."""
        # The other files of the run are checked where they are read.
        folder = arguments.get("data")
        return cls(folder or load_finished_run(arguments.run, False)["settings"].get("data"))

    @cached_property
    def columns(self) -> dict[str, str]:
        """The columns of the ids of users and items."""
        return id_columns(self.folder)

    @cached_property
    def _titles(self) -> tuple[np.ndarray, np.ndarray] | None:
        try:
            table = None if self.folder is None else load_item_table(self.folder)
        except FileNotFoundError:
            return None
        if table is None or TITLE not in table:
            return None
        titles = table[TITLE].astype(object)
        return table[ITEM].to_numpy(), titles.where(titles.notna(), None).to_numpy()

    def present(self, frame: pd.DataFrame, ids: Iterable[str] = OF_ITEMS) -> pd.DataFrame:
        """Returns a table with the titles of items beside their ids, if they are known, and with
        the user's names of the columns of ids.
        """
        for column in [name for name in ids if name in frame]:
            if self._titles is not None:
                name = TITLE if TITLE not in frame else f"{column}_{TITLE}"
                values = _titles_of(frame[column], *self._titles)
                frame.insert(list(frame).index(column) + 1, name, values)
        named = {old: new for old, new in self.columns.items() if new not in TAKEN}
        return frame.rename(columns=named)

    def present_all(
        self, frames: Iterable[pd.DataFrame], ids: Iterable[str] = OF_ITEMS
    ) -> Iterator[pd.DataFrame]:
        """Yields the result of :meth:`present` for each block of a table."""
        return (self.present(frame, ids) for frame in frames)


def _titles_of(ids: pd.Series, known: np.ndarray, titles: np.ndarray) -> pd.Series:
    found = pd.Series(None, index=ids.index, dtype=object)
    named = ids.notna().to_numpy()
    place = find_ids(ids[named].to_numpy(), known)
    found[named] = np.where(place >= 0, titles[place], None)
    # A block without titles has the type of the others.
    return found.astype("string")
