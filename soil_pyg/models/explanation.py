from dataclasses import dataclass
from typing import Any

import pandas as pd

CONTENT = "content"
OWN, INTERACTION, SECOND_ORDER = "own", "interaction", "second_order"
SIMILAR_USERS = "similar_users"


@dataclass(repr=False)
class Explanation:
    """The parts of a score, as returned by :func:`soil_pyg.explain`.

    The values of :attr:`parts` add up to the score. Its columns are

    - :obj:`kind`: :obj:`"own"` for the embedding of the user itself, :obj:`"interaction"` or
      :obj:`"second_order"` for an edge to an item, :obj:`"similar_users"` for what similar users
      add;
    - :obj:`via`: the id of this item, :obj:`None` without one;
    - :obj:`modality`: the part of the user's embedding, :obj:`"content"` or the modality of a view;
    - :obj:`item_modality`: the part of the recommended item's embedding, likewise;
    - :obj:`value`: the contribution to the score.

    Args:
        user (Any): The id of the user.
        item (Any): The id of the recommended item.
        score (float): The score by which the item is ranked.
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
        """Returns the contribution of each item in descending order, with the columns
        :obj:`kind`, :obj:`via` and :obj:`value`.
        """
        # Grouping by number keeps the type of the ids and the missing one.
        number, ids = pd.factorize(self.parts["via"])
        found = _summed(self.parts.assign(via=number), ["kind", "via"])
        via = [ids[n] if n >= 0 else None for n in found["via"]]
        return found.assign(via=pd.Series(via, dtype=object))

    def by_modality(self) -> pd.DataFrame:
        """Returns the contributions of the content embedding and of each view of the user in
        descending order, with the columns :obj:`modality` and :obj:`value`.
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
