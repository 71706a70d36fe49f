from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.models.base import Recommender
from soil_pyg.testing.small_data import small_data
from soil_pyg.typing import ITEM, USER, Triplets, features_of
from soil_pyg.utils.data_checks import count_nodes

BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 6, 1, 2]), torch.tensor([3, 3, 0, 5]))
"""Triplets of the small data, of which one user occurs twice."""


@dataclass(frozen=True)
class ModelCase:
    """A model and its options, as rules are checked on them."""

    model_class: type[Recommender]
    options: dict[str, Any]
    graph_options: dict[str, Any]
    in_channels: dict[str, int]
    unused: frozenset[str]

    @property
    def make_transform(self) -> Callable[[], BaseTransform]:
        """Returns the transform of the graphs with its options."""
        return partial(self.model_class.graph_transform, **self.graph_options)

    def make_data(self, is_double: bool = False) -> HeteroData:
        """Makes the data, with the graphs of the model."""
        data: HeteroData = self.make_transform()(small_data(self.in_channels))
        if is_double:
            for modality, x in features_of(data).items():
                data[ITEM][f"x_{modality}"] = x.double()
        return data

    def make_model(self, seed: int = 0) -> Recommender:
        """Makes the model with random parameters."""
        torch.manual_seed(seed)
        data = small_data(self.in_channels)
        sizes = count_nodes(data, USER), count_nodes(data, ITEM)
        return self.model_class(*sizes, self.in_channels, **self.options)

    def make(self) -> tuple[HeteroData, Recommender]:
        """Makes the data and the model."""
        return self.make_data(), self.make_model()


@torch.no_grad()
def scores_of(model: Recommender, data: HeteroData) -> Tensor:
    """Returns the scores of all users and items."""
    user_emb, item_emb = (x.to_dense() for x in model(data))
    scores: Tensor = user_emb @ item_emb.t()
    return scores


def total_loss(model: Recommender, data: HeteroData, batch: Triplets = BATCH) -> Tensor:
    """Returns the sum of the terms of the loss of a batch."""
    return torch.stack(list(model.loss(data, batch).values())).sum()
