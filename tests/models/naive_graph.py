"""A small graph of users and items for naive renderings of models, one node at a time."""

import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import Recommender
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

NUM_USERS, NUM_ITEMS = 6, 5
SIZES = {"image": 4, "text": 3, "audio": 2}
# User 3 and item 4 have no interactions.
PAIRS = [(0, 0), (0, 1), (0, 3), (1, 1), (2, 2), (2, 3), (4, 0), (5, 3), (5, 2)]
BATCH = Triplets(torch.tensor([5, 0, 5]), torch.tensor([3, 1, 3]), torch.tensor([0, 4, 1]))
Matrix = np.ndarray
Pairs = tuple[tuple[int, int], ...]


def make_data(kind: type[Recommender], num_modalities: int) -> HeteroData:
    """Random features in double precision, all zero for item 2, and the graphs of a model."""
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    generator = torch.Generator().manual_seed(0)
    for modality, size in in_channels(num_modalities).items():
        x = torch.randn(NUM_ITEMS, size, generator=generator, dtype=torch.float64)
        x[2] = 0
        data[ITEM][f"x_{modality}"] = x
    data[INTERACTS].edge_index = torch.tensor(PAIRS).t().contiguous()
    return kind.graph_transform()(data)


def in_channels(num_modalities: int) -> dict[str, int]:
    return dict(list(SIZES.items())[:num_modalities])


def neighbours(new: Pairs = ()) -> tuple[int, list[list[int]]]:
    """Returns the number of users and the neighbours of each node, users first; newcomers are the
    last users and nobody's neighbours.
    """
    num_users = NUM_USERS + len({user for user, _ in new})
    near: list[list[int]] = [[] for _ in range(num_users + NUM_ITEMS)]
    for user, item in PAIRS:
        near[user].append(num_users + item)
        near[num_users + item].append(user)
    for user, item in new:
        near[NUM_USERS + user].append(num_users + item)
    return num_users, near


def unit(x: Matrix) -> Matrix:
    return x / max(float(np.linalg.norm(x)), 1e-12)


class NaiveModel:
    """A model, one node at a time; newcomers are the last users and send nothing."""

    def __init__(self, model: Recommender, data: HeteroData, new: Pairs = ()) -> None:
        self.p = {name: p.detach().numpy() for name, p in model.named_parameters()}
        self.options, self.data = model.options, data
        self.num_users, self.near = neighbours(new)
        self.num_new = self.num_users - NUM_USERS
