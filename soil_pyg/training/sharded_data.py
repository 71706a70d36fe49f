import os

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.graphs import adjacency
from soil_pyg.ranking.evaluator import Evaluator, compute_embeddings
from soil_pyg.ranking.held_out import held_out
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.sharded_adjacency import ShardedAdjacency
from soil_pyg.training.shared_memory import memory_of_machine
from soil_pyg.training.triplet_loader import edges_of_lane
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, TRAINED_EARLIER, USER
from soil_pyg.utils.data_checks import check_edges, count_nodes


class ShardedData:
    """One process's share of the data: its users and items with their features, and the rows of the
    graphs that lead to them.

    A model whose tables are sharded computes the embeddings of these nodes alone; each product with
    a graph fetches the rows of the neighbours from the other processes.

    Args:
        data (HeteroData): The whole data, with the graphs of the model.
        ranks (Ranks): The processes.
    """

    def __init__(self, data: HeteroData, ranks: Ranks) -> None:
        self._ranks, self._data = ranks, data
        self._items: Tensor | None = None
        device, place = ranks.fabric.device, (ranks.rank, ranks.size)
        self._own, self._ranked = HeteroData(), HeteroData()
        for kind in (USER, ITEM):
            mine = slice(ranks.rank, None, ranks.size)
            self._own[kind].num_nodes = len(range(count_nodes(data, kind))[mine])
            for name, value in data[kind].items():
                if name.startswith(FEATURE_PREFIX):
                    self._own[kind][name] = value[mine].clone().to(device)
        for edge_type, store in data.edge_items():
            if "adjacency" in store:
                own = ShardedAdjacency(adjacency(data, edge_type), *place, device)
                self._own[edge_type].adjacency = own
        self._ranked[USER].num_nodes = self._own[USER].num_nodes
        self._ranked[ITEM].num_nodes = count_nodes(data, ITEM)
        for attr in ("edge_index", TRAINED_EARLIER):
            if attr in data[INTERACTS]:
                self._ranked[INTERACTS][attr] = self._of_own_users(check_edges(data, attr=attr))

    def _of_own_users(self, pairs: Tensor) -> Tensor:
        user, item = edges_of_lane(pairs, self._ranks.rank, self._ranks.size)
        return torch.stack([user // self._ranks.size, item]).to(self._ranks.fabric.device)

    def embed(self, model: torch.nn.Module) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of the users and of the items of this process."""
        return compute_embeddings(model, self._own)

    def evaluate(
        self, evaluator: Evaluator, model: torch.nn.Module, split: str
    ) -> dict[str, float]:
        """Returns the metrics of a model, which are means over users. Each process ranks for its
        users, with the embeddings of all items.
        """
        user_emb, item_emb = self.embed(model)
        embeddings = _Known(user_emb, self._of_all(item_emb.detach()))
        if f"{split}_edge_label_index" not in self._ranked[INTERACTS]:
            label = self._of_own_users(held_out(self._data, split))
            self._ranked[INTERACTS][f"{split}_edge_label_index"] = label
        label = self._ranked[INTERACTS][f"{split}_edge_label_index"]
        user = torch.unique(label[0]).cpu().numpy() * self._ranks.size + self._ranks.rank
        values = {name: np.empty(0) for name in evaluator.names}

        def rank() -> tuple[np.ndarray, dict[str, np.ndarray]]:
            if len(user) == 0:
                return user, values
            return user, evaluator.evaluate_per_user(embeddings, self._ranked, split)

        users, parts = zip(*self._ranks.each(rank), strict=True)
        # The order of one process, on which the last digit of a mean depends.
        order = np.argsort(np.concatenate(users))
        return {
            name: float(np.concatenate([part[name] for part in parts])[order].mean())
            for name in values
        }

    def _of_all(self, part: Tensor) -> Tensor:
        """Returns the whole table of items, given this process's part. The processes of a machine
        share it.
        """
        rank, size = self._ranks.rank, self._ranks.size
        if size == 1:
            return part
        if self._items is None:
            shape = self._ranked[ITEM].num_nodes, part.size(1)
            is_shared = part.device.type == "cpu" and hasattr(os, "posix_fallocate")
            self._items = (
                memory_of_machine(self._ranks, shape, part.dtype)
                if is_shared
                else part.new_empty(shape)
            )
            self._writes = not is_shared or self._ranks.fabric.local_rank == 0
        # Others may still rank by the items of the last call.
        self._ranks.each(lambda: None)
        for source in range(size):
            rows = self._items[source::size]
            sent = part.contiguous() if source == rank else part.new_empty(rows.size())
            dist.broadcast(sent, source)
            if self._writes:
                rows.copy_(sent)
        self._ranks.each(lambda: None)
        return self._items


class _Known(torch.nn.Module):
    """Returns embeddings that are known."""

    def __init__(self, user_emb: Tensor, item_emb: Tensor) -> None:
        super().__init__()
        self._embeddings = user_emb, item_emb

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return self._embeddings
