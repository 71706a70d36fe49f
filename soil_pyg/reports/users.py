"""Example users with their histories and recommendations, and the cards of their items."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage

from soil_pyg.datasets.item_table import IMAGE, TITLE
from soil_pyg.encoders.picture_files import read_picture
from soil_pyg.ops.degrees import user_degree
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.reports.reasons import Reasons
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS, SECOND_ORDER
from soil_pyg.workflow.recommend import seen_pairs

NUM_ITEMS = 10
"""The number of recommendations, and the maximum number of pictures per list."""
MAX_HISTORY = 200
SIZE = 144
"""The longer side of a picture in pixels, which exceeds its size on the page for dense screens."""
QUALITY = 72


@dataclass(frozen=True)
class Item:
    """The card of an item, with its picture as a :obj:`data:` URL and its score or weight for the
    user. A held-out item is a hit if it is among the best items of the evaluation. The reasons are
    the names of the items to which a recommendation owes most of its score.
    """

    id: str
    title: str | None = None
    picture: str | None = None
    value: float | None = None
    is_hit: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class UserPanel:
    """The panel of a user, with the start of the history with pictures and more of it without. The
    second-order items, in descending order of their weights and without those of the history, are
    :obj:`None` for a run without a second-order graph. The recommendations come best first and
    leave out every item that the user has in the data, as :func:`soil_pyg.recommend` does.
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
        """The number of held-out items among the best items of the evaluation."""
        return sum(item.is_hit for item in self.held_out)


class ItemCards:
    """Makes the cards of items from the ids of all items and, if there is one, their table with
    titles and pictures.
    """

    def __init__(self, item_id: np.ndarray, table: pd.DataFrame | None = None) -> None:
        self.item_id = item_id
        self.unreadable: dict[str, str] = {}
        """The picture files that could not be read, with the reason."""
        self.num_urls = 0
        """The number of pictures given as URLs, which are not downloaded."""
        self._thumbnails: dict[str, str | None] = {}
        self._titles, self._images = (
            None if table is None else table.get(name) for name in (TITLE, IMAGE)
        )

    @property
    def has_pictures(self) -> bool:
        """Returns whether the table names pictures."""
        return self._images is not None

    def name(self, item: int) -> str:
        """Returns the title of the item at a position, or its id if it has none."""
        return _text(self._titles, item) or str(self.item_id[item])

    def make(self, item: int, with_picture: bool = True, **values: Any) -> Item:
        """Returns the card of the item at a position. The values are further fields of
        :class:`Item`.
        """
        title = _text(self._titles, item)
        path = _text(self._images, item) if with_picture else None
        picture = None if path is None else self.thumbnail(path)
        return Item(str(self.item_id[item]), title, picture, **values)

    def thumbnail(self, path: str) -> str | None:
        """Returns a small copy of a picture as a :obj:`data:` URL, or :obj:`None` if it is not a
        readable file.
        """
        if path not in self._thumbnails:
            self._thumbnails[path] = self._make_thumbnail(path)
        return self._thumbnails[path]

    def _make_thumbnail(self, path: str) -> str | None:
        if "://" in path:
            self.num_urls += 1
            return None
        try:
            picture = read_picture(path)
        except ValueError as error:
            self.unreadable[path] = str(error)
            return None
        picture.thumbnail((SIZE, SIZE))
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=QUALITY)
        return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def choose_users(data: HeteroData, held_out: Tensor, num_users: int) -> list[int]:
    """Returns at most :obj:`num_users` evenly spaced users with held-out interactions, in ascending
    order of their history lengths and then of their positions.
    """
    users = torch.unique(held_out[0])
    users = users[user_degree(data)[users].argsort(stable=True)]
    steps = torch.linspace(0, len(users) - 1, min(num_users, len(users))).round().long()
    return list(users[steps].tolist())


def user_panels(
    trained: TrainedModel,
    data: HeteroData,
    held_out: Tensor,
    users: Iterable[int],
    cards: ItemCards,
    reasons: Reasons | None = None,
) -> list[UserPanel]:
    """Returns the panels of the users at the given positions. The data has the second-order graph
    if the model has one.
    """
    history = data[INTERACTS].edge_index
    second_order = data[SECOND_ORDER] if SECOND_ORDER in data.edge_types else None
    users = torch.tensor(list(users), dtype=torch.long)
    unseen = HeteroData()
    unseen[INTERACTS].edge_index = seen_pairs(data)
    embeddings = trained.user_emb, trained.item_emb
    evaluated = Evaluator().rank(*embeddings, data, users, NUM_ITEMS)[1]
    scores, ranked = Evaluator().rank(*embeddings, unseen, users, NUM_ITEMS)
    panels = []
    lists = zip(
        *(users.tolist(), evaluated.tolist(), scores.tolist(), ranked.tolist()), strict=True
    )
    for user, best, user_scores, user_items in lists:
        seen = history[1, history[0] == user].tolist()
        wanted = held_out[1, held_out[0] == user].tolist()
        recommended = [
            cards.make(item, value=score, reasons=_reasons(reasons, user, item, cards))
            for item, score in zip(user_items, user_scores, strict=True)
            if item < len(trained.item_id)
        ]
        panels.append(
            UserPanel(
                id=str(trained.user_id[user]),
                num_history=len(seen),
                history=[cards.make(item) for item in seen[:NUM_ITEMS]],
                more_history=[cards.make(item, False) for item in seen[NUM_ITEMS:MAX_HISTORY]],
                held_out=[cards.make(item, is_hit=item in best) for item in wanted],
                second_order=_second_order(second_order, user, seen, cards),
                recommended=recommended,
            )
        )
    return panels


def _reasons(reasons: Reasons | None, user: int, item: int, cards: ItemCards) -> tuple[str, ...]:
    found = [] if reasons is None else reasons.find(user, item)
    return tuple(
        f"{cards.name(via)} (second-order)" if is_second else cards.name(via)
        for via, is_second in found
    )


def _second_order(
    store: EdgeStorage | None, user: int, seen: list[int], cards: ItemCards
) -> list[Item] | None:
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
