from dataclasses import dataclass
from typing import Any

import pandas as pd

CONTENT = "content"
OWN, INTERACTION, SECOND_ORDER = "own", "interaction", "second_order"


@dataclass(repr=False)
class Explanation:
    """A score taken apart, as :func:`soil_pyg.explain` returns it.

    :attr:`parts` has these columns, and its values add up to the score:

    - :obj:`kind`: :obj:`"own"` for the user's own embedding, :obj:`"interaction"` for an item of
      the user's, :obj:`"second_order"` for an item that the user nearly chose.
    - :obj:`modality`: what came to the user that way, :obj:`"content"` or the view of a modality.
    - :obj:`item_modality`: what of the recommended item it was multiplied with, in the same names.
    - :obj:`via`: the id of the item; none for the user's own embedding.
    - :obj:`value`: what this adds to the score.

    Args:
        user (Any): The id of the user.
        item (Any): The id of the recommended item.
        score (float): The score that the item was ranked by.
        parts (pandas.DataFrame): The parts.
    """

    user: Any
    item: Any
    score: float
    parts: pd.DataFrame

    @property
    def total(self) -> float:
        """The sum of the parts."""
        return float(self.parts["value"].sum())

    def by_item(self) -> pd.DataFrame:
        """Returns what each item adds, the largest first, with the columns :obj:`kind`,
        :obj:`via` and :obj:`value`.
        """
        # By number: ids keep their type, and the user's own embedding has none.
        number, ids = pd.factorize(self.parts["via"])
        found = _summed(self.parts.assign(via=number), ["kind", "via"])
        via = [ids[n] if n >= 0 else None for n in found["via"]]
        return found.assign(via=pd.Series(via, dtype=object))

    def by_modality(self) -> pd.DataFrame:
        """Returns what the content embedding and each view of the user add, the largest first,
        with the columns :obj:`modality` and :obj:`value`.
        """
        return _summed(self.parts, ["modality"])

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(user={self.user!r}, item={self.item!r}, "
            f"score={self.score:.4f}, parts={len(self.parts)})"
        )


def _summed(parts: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    groups = parts.groupby(columns, sort=False)["value"].sum().reset_index()
    return groups.sort_values("value", ascending=False, kind="stable", ignore_index=True)
