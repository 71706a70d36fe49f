"""A few users with their histories and recommendations, to look at."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.item_table import IMAGE, TITLE
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.reports.thumbnails import Thumbnails
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.transforms.utils import count_nodes
from soil_pyg.typing import INTERACTS, SECOND_ORDER, USER

NUM_ITEMS = 10
"""The number of recommendations, and of items that are shown with pictures."""
MAX_HISTORY = 200


@dataclass(frozen=True)
class Item:
    """An item as it is shown.

    Args:
        id (str): Its id.
        title (str, optional): Its title.
        picture (str, optional): Its picture as a :obj:`data:` address.
        value (float, optional): The score or the weight that it has for the user.
        is_hit (bool): Whether it is one of the user's held-out items.
    """

    id: str
    title: str | None = None
    picture: str | None = None
    value: float | None = None
    is_hit: bool = False


@dataclass(frozen=True)
class UserPanel:
    """A user as it is shown.

    Args:
        id (str): The id.
        num_history (int): The number of training interactions.
        history (list[Item]): The first of them, with pictures.
        more_history (list[Item]): The next ones, without.
        held_out (list[Item]): The held-out items, as hits where they are recommended.
        second_order (list[Item], optional): The items that the user nearly chose, heaviest first,
            without those of the history, if the graphs of the run tell.
        recommended (list[Item]): The recommendations, best first.
    """

    id: str
    num_history: int
    history: list[Item]
    more_history: list[Item]
    held_out: list[Item]
    second_order: list[Item] | None
    recommended: list[Item]

    @property
    def num_hits(self) -> int:
        """The number of held-out items among the recommendations."""
        return sum(item.is_hit for item in self.recommended)


class ItemCards:
    """Shows items by their ids, titles and pictures.

    Args:
        item_id (numpy.ndarray): The ids of all items.
        table (pandas.DataFrame, optional): The table of all items, for titles and pictures.
    """

    def __init__(self, item_id: np.ndarray, table: pd.DataFrame | None = None) -> None:
        self.item_id = item_id
        self.thumbnails = Thumbnails()
        columns = {} if table is None else {name: table[name] for name in table.columns}
        self._titles, self._images = columns.get(TITLE), columns.get(IMAGE)

    @property
    def has_pictures(self) -> bool:
        """Whether the table names pictures."""
        return self._images is not None

    def make(self, item: int, with_picture: bool = True, **values: Any) -> Item:
        """Returns an item as it is shown.

        Args:
            item (int): Its position.
            with_picture (bool): Whether its picture is shown, if it has one.
                (default: :obj:`True`)
            **values (optional): Further arguments of :class:`Item`.
        """
        title = _text(self._titles, item)
        path = _text(self._images, item) if with_picture else None
        picture = None if path is None else self.thumbnails.make(path)
        return Item(str(self.item_id[item]), title, picture, **values)


def choose_users(data: HeteroData, held_out: Tensor, num_users: int) -> list[int]:
    """Returns users with held-out interactions at even steps from the shortest to the longest
    history, the first in the data among those with histories of the same length.

    Args:
        data (HeteroData): The data.
        held_out (Tensor): The held-out interactions, of shape :obj:`[2, num_pairs]`.
        num_users (int): The largest number of users.
    """
    users = held_out[0].unique()
    degree = torch.bincount(data[INTERACTS].edge_index[0], minlength=count_nodes(data, USER))
    users = users[degree[users].argsort(stable=True)]
    steps = torch.linspace(0, len(users) - 1, min(num_users, len(users))).round().long()
    return users[steps].tolist()


def user_panels(
    trained: TrainedModel,
    data: HeteroData,
    held_out: Tensor,
    users: Iterable[int],
    cards: ItemCards,
) -> list[UserPanel]:
    """Returns users with their histories and recommendations.

    Args:
        trained (TrainedModel): The trained model.
        data (HeteroData): Its data, with the second-order graph if there is one.
        held_out (Tensor): The held-out interactions, of shape :obj:`[2, num_pairs]`.
        users (iterable of int): The positions of the users.
        cards (ItemCards): How items are shown.
    """
    history = data[INTERACTS].edge_index
    second_order = data[SECOND_ORDER] if SECOND_ORDER in data.edge_types else None
    users = torch.tensor(list(users), dtype=torch.long)
    scores, ranked = Evaluator().rank(trained.user_emb, trained.item_emb, data, users, NUM_ITEMS)
    panels = []
    for user, user_scores, user_items in zip(
        users.tolist(), scores.tolist(), ranked.tolist(), strict=True
    ):
        seen = history[1, history[0] == user].tolist()
        wanted = held_out[1, held_out[0] == user].tolist()
        items = [
            (item, score)
            for item, score in zip(user_items, user_scores, strict=True)
            if item < len(trained.item_id)
        ]
        recommended = [
            cards.make(item, value=score, is_hit=item in wanted) for item, score in items
        ]
        hits = {item for item, _ in items if item in wanted}
        panels.append(
            UserPanel(
                id=str(trained.user_id[user]),
                num_history=len(seen),
                history=[cards.make(item) for item in seen[:NUM_ITEMS]],
                more_history=[
                    cards.make(item, with_picture=False) for item in seen[NUM_ITEMS:MAX_HISTORY]
                ],
                held_out=[cards.make(item, is_hit=item in hits) for item in wanted],
                second_order=_second_order(second_order, user, seen, cards),
                recommended=recommended,
            )
        )
    return panels


def _second_order(store: Any, user: int, seen: list[int], cards: ItemCards) -> list[Item] | None:
    if store is None:
        return None
    edge = (store.edge_index[0] == user).nonzero().view(-1)
    edge = edge[store.edge_weight[edge].argsort(descending=True, stable=True)]
    pairs = zip(store.edge_index[1, edge].tolist(), store.edge_weight[edge].tolist(), strict=True)
    new = [(item, weight) for item, weight in pairs if item not in seen]
    return [cards.make(item, value=weight) for item, weight in new[:NUM_ITEMS]]


def _text(column: pd.Series | None, row: int) -> str | None:
    value = None if column is None else column.iloc[row]
    return None if value is None or pd.isna(value) or value == "" else str(value)
