"""The metrics of users and items that a model was not trained on, and of baselines."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.runs.jobs import PAIRED
from soil_pyg.models.newcomers import mean_of_neighbours, nearest_known
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import EDGE_INDICES, FEATURE_PREFIX, INTERACTS, ITEM, USER, modalities_of
from soil_pyg.workflow.add_items import add_items
from soil_pyg.workflow.add_users import add_users

POPULARITY, FEATURE_KNN = "popularity", "feature kNN"
Values = dict[str, float]


class Task(NamedTuple):
    """Pairs to retrieve among candidates.

    Args:
        truth (Tensor): The pairs of user and candidate, of shape :obj:`[2, num_pairs]`.
        seen (Tensor): The pairs to exclude.
        num_users (int): The number of users.
        num_items (int): The number of candidates.
    """

    truth: Tensor
    seen: Tensor
    num_users: int
    num_items: int


class NewItems(NamedTuple):
    """Held-out items beside the data without them.

    Args:
        data (HeteroData): The data without them, with their users' original numbers as ids.
        features (dict[str, Tensor]): Their features by modality.
        task (Task): Their interactions of all splits; only they are candidates.
    """

    data: HeteroData
    features: dict[str, Tensor]
    task: Task

    @classmethod
    def make(cls, whole: HeteroData, data: HeteroData, held_out: np.ndarray) -> "NewItems":
        """Returns the held-out items of a data set."""
        pairs = torch.cat([whole[INTERACTS][name] for name in EDGE_INDICES], dim=1)
        user = _positions(np.asarray(data[USER].id), pairs[0])
        item = _positions(held_out, pairs[1])
        truth = torch.stack([user, item])[:, (user >= 0) & (item >= 0)]
        features = {m: whole[ITEM][FEATURE_PREFIX + m][held_out] for m in modalities_of(whole)}
        none = truth[:, :0]
        return cls(data, features, Task(truth, none, data[USER].num_nodes, len(held_out)))

    def measure(self, trained: TrainedModel) -> Values:
        """Returns the metrics of a model."""
        ids = [f"held-out {number}" for number in range(self.task.num_items)]
        larger = add_items(trained, self.data, self.features, ids)
        return evaluate(larger.user_emb, larger.item_emb[-len(ids) :], self.task)

    def baselines(self, k: int) -> dict[str, Values]:
        """Returns the metrics of the popularity of the nearest items and of the feature kNN."""
        similarities = nearest_known(self.data, self.features, k)
        num_users, num_items = self.task.num_users, self.data[ITEM].num_nodes
        seen = self.data[INTERACTS].edge_index
        count = torch.bincount(seen[1], minlength=num_items).float().unsqueeze(1)
        popularity = mean_of_neighbours(similarities, count)
        history = _indicator(seen, (num_users, num_items))
        return {
            POPULARITY: evaluate(torch.ones(num_users, 1), popularity, self.task),
            FEATURE_KNN: evaluate(history, _sum(similarities), self.task),
        }


class NewUsers(NamedTuple):
    """Held-out users beside the data without them.

    Args:
        data (HeteroData): The data without them.
        users (numpy.ndarray): Their numbers, ascending.
        histories (Tensor): Their training interactions, as positions in :obj:`users` and items,
            in random order.
        task (Task): Their test interactions; all items but their training ones are candidates.
    """

    data: HeteroData
    users: np.ndarray
    histories: Tensor
    task: Task

    @classmethod
    def make(
        cls, whole: HeteroData, data: HeteroData, held_out: np.ndarray, seed: int
    ) -> "NewUsers":
        """Returns the held-out users of a data set."""
        found = []
        for name in ("edge_index", "test_edge_label_index"):
            user, item = whole[INTERACTS][name]
            user = _positions(held_out, user)
            found.append(torch.stack([user, item])[:, user >= 0])
        seen, truth = found
        order = np.random.default_rng(seed).permutation(seen.size(1))
        task = Task(truth, seen, len(held_out), data[ITEM].num_nodes)
        return cls(data, held_out, seen[:, order], task)

    def first(self, size: int | None) -> Tensor:
        """Returns the first interactions of each user.

        Args:
            size (int, optional): How many of each, all if :obj:`None`.
        """
        if size is None:
            return self.histories
        user = pd.Series(self.histories[0].numpy())
        is_first = user.groupby(user).cumcount().to_numpy() < size
        return self.histories[:, torch.from_numpy(is_first)]

    def measure(self, trained: TrainedModel, size: int | None) -> Values:
        """Returns the metrics of a model.

        Args:
            trained (TrainedModel): The model, trained without the users.
            size (int, optional): How many interactions of each user it is given, all if
                :obj:`None`.
        """
        user, item = self.first(size).numpy()
        frame = pd.DataFrame(
            {"user": self.users[user], "item": np.asarray(self.data[ITEM].id)[item]}
        )
        larger = add_users(trained, self.data, frame)
        return evaluate(larger.user_emb[-len(self.users) :], larger.item_emb, self.task)

    def baselines(self, k: int, size: int | None) -> dict[str, Values]:
        """Returns the metrics of popularity and of the feature kNN.

        Args:
            k (int): The number of neighbours.
            size (int, optional): How many interactions of each user are known, all if
                :obj:`None`.
        """
        store = self.data[ITEM]
        features = {m: store[FEATURE_PREFIX + m] for m in modalities_of(self.data)}
        similarities = nearest_known(self.data, features, k)
        num_users, num_items = self.task.num_users, self.task.num_items
        item = self.data[INTERACTS].edge_index[1]
        count = torch.bincount(item, minlength=num_items).float().unsqueeze(1)
        history = _indicator(self.first(size), (num_users, num_items))
        return {
            POPULARITY: evaluate(torch.ones(num_users, 1), count, self.task),
            FEATURE_KNN: evaluate(history, _sum(similarities), self.task),
        }


class _Embeddings(torch.nn.Module):
    def __init__(self, *embeddings: Tensor) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, data: HeteroData) -> tuple[Tensor, ...]:
        """Returns the embeddings."""
        return self.embeddings


def evaluate(user_emb: Tensor, item_emb: Tensor, task: Task) -> Values:
    """Returns the metrics over the users with pairs to retrieve.

    Args:
        user_emb (Tensor): The embeddings of the users, dense or sparse COO.
        item_emb (Tensor): The embeddings of the candidates, dense or sparse COO.
        task (Task): The pairs to retrieve.
    """
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = task.num_users, task.num_items
    data[INTERACTS].edge_index = task.seen
    data[INTERACTS].test_edge_label_index = task.truth
    found = Evaluator([20]).evaluate(_Embeddings(user_emb, item_emb), data, "test")
    return {name: found[name] for name in PAIRED}


def _positions(known: np.ndarray, values: Tensor) -> Tensor:
    """Returns the positions of values in a list of known ones, -1 for others."""
    return torch.from_numpy(pd.Index(known).get_indexer(pd.Index(values.numpy())))


def _indicator(pairs: Tensor, size: tuple[int, int]) -> Tensor:
    ones = torch.ones(pairs.size(1))
    return torch.sparse_coo_tensor(pairs, ones, size, check_invariants=False).coalesce()


def _sum(similarities: dict[str, Adjacency]) -> Tensor:
    """Returns the sum over the modalities as a sparse matrix."""
    parts = list(similarities.values())
    indices = torch.cat([torch.stack([part.row(), part.col.long()]) for part in parts], dim=1)
    values = torch.cat([part.weight for part in parts])
    return torch.sparse_coo_tensor(
        indices, values, parts[0].size, check_invariants=False
    ).coalesce()
