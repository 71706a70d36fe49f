"""SOIL by its definitions in plain torch, which represents the released code when timing ours.

A forward pass multiplies by every sparse COO matrix and projects all features, negatives are drawn
in a loop, and every epoch ends with an evaluation of both splits that loops over users.
"""

import math
import random
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding, Linear, ModuleDict, Sequential, Sigmoid, Tanh
from torch.optim import Optimizer
from torch_geometric.data import HeteroData

from soil_bench.speed.naive_graphs import graphs
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER, Triplets, modalities_of

__all__ = ["NaiveSOIL", "evaluate", "graphs", "sample_triplets", "train_epoch"]


class NaiveSOIL(torch.nn.Module):
    """SOIL's released profile, with the same names of parameters as in :obj:`soil_pyg`.

    Args:
        data (HeteroData): The data with the features.
        graphs (dict[str, Tensor]): The operators of :func:`graphs`.
        hidden_channels (int): The dimension of the embeddings. (default: :obj:`64`)
        num_layers (int): The number of layers on the user-item graph. (default: :obj:`2`)
        l_ui (float): The weight of the user-item contrast. (default: :obj:`0.01`)
        l_ii (float): The weight of the item-item contrast. (default: :obj:`0.01`)
        tau (float): The temperature of the contrasts. (default: :obj:`0.2`)
    """

    def __init__(
        self,
        data: HeteroData,
        graphs: dict[str, Tensor],
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        l_ui: float = 0.01,
        l_ii: float = 0.01,
        tau: float = 0.2,
    ) -> None:
        super().__init__()
        self.num_users, self.num_items = data[USER].num_nodes, data[ITEM].num_nodes
        self.features = {m: data[ITEM][FEATURE_PREFIX + m] for m in modalities_of(data)}
        self.graphs = graphs
        self.num_layers, self.l_ui, self.l_ii, self.tau = num_layers, l_ui, l_ii, tau
        self.user_embedding = Embedding(self.num_users, hidden_channels)
        self.item_embedding = Embedding(self.num_items, hidden_channels)
        torch.nn.init.xavier_uniform_(self.user_embedding.weight)
        torch.nn.init.xavier_uniform_(self.item_embedding.weight)
        self.gates = ModuleDict()
        for modality, x in self.features.items():
            project = Linear(x.size(1), hidden_channels)
            gate = Linear(hidden_channels, hidden_channels)
            layers = OrderedDict(project=project, gate=gate, sigmoid=Sigmoid())
            self.gates[modality] = Sequential(layers)
        project = Linear(hidden_channels, hidden_channels)
        query = Linear(hidden_channels, 1, bias=False)
        self.fusion = Sequential(OrderedDict(project=project, tanh=Tanh(), query=query))

    def content(self) -> Tensor:
        """Returns the mean over the layers on the user-item graph, users before items."""
        x = torch.cat([self.user_embedding.weight, self.item_embedding.weight])
        layers = [x]
        for _ in range(self.num_layers):
            x = torch.sparse.mm(self.graphs["user_item"], x)
            layers.append(x)
        return torch.stack(layers).mean(dim=0)

    def side(self) -> Tensor:
        """Returns the fused views of the modalities (Eq. 11-14), users before items."""
        views = []
        for modality, x in self.features.items():
            item = self.item_embedding.weight * self.gates[modality](x)
            item = torch.sparse.mm(self.graphs[f"{modality}_item_item"], item)
            user = torch.sparse.mm(self.graphs["aggregation"], item)
            views.append(torch.cat([user, item]))
        if len(views) == 1:
            return views[0] / 2
        attention = torch.cat([self.fusion(view) for view in views], dim=1).softmax(dim=1)
        weighted = [(1 - attention[:, m : m + 1]) * view for m, view in enumerate(views)]
        return torch.stack(weighted).sum(dim=0) / (len(views) + 1)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and of all items."""
        sizes = [self.num_users, self.num_items]
        user, item = torch.split(self.content() + self.side(), sizes)
        return user, item

    def loss(self, batch: Triplets) -> dict[str, Tensor]:
        """Returns the weighted terms of the loss of a batch by name."""
        content, side = self.content(), self.side()
        final = content + side
        user, positive = batch.user, batch.positive + self.num_users
        negative = batch.negative + self.num_users
        positive_score = (final[user] * final[positive]).sum(dim=1)
        negative_score = (final[user] * final[negative]).sum(dim=1)
        user_item = self.info_nce(final[user], content[positive])
        user_item = user_item + self.info_nce(final[user], side[positive])
        item_item = self.info_nce(side[positive], content[positive])
        item_item = item_item + self.info_nce(side[user], content[user])
        return {
            "bpr": -F.logsigmoid(positive_score - negative_score).mean(),
            "user_item": self.l_ui * user_item,
            "item_item": self.l_ii * item_item,
        }

    def info_nce(self, query: Tensor, candidate: Tensor) -> Tensor:
        """Returns the contrast of each query with the candidates of the batch."""
        query, candidate = F.normalize(query), F.normalize(candidate)
        positive = ((query * candidate).sum(dim=1) / self.tau).exp()
        total = (query @ candidate.t() / self.tau).exp().sum(dim=1)
        return -(positive / total).log().mean()


def train_epoch(
    model: NaiveSOIL,
    optimizer: Optimizer,
    data: HeteroData,
    rng: random.Random,
    batch_size: int = 2048,
    num_steps: int | None = None,
) -> float:
    """Returns the mean loss of an epoch, or of its first steps."""
    triplets = sample_triplets(data, rng)
    batches = list(zip(*(torch.split(index, batch_size) for index in triplets), strict=True))
    total = 0.0
    for batch in batches[:num_steps]:
        optimizer.zero_grad()
        loss = torch.stack(list(model.loss(Triplets(*batch)).values())).sum()
        torch.autograd.backward(loss)
        optimizer.step()
        total += loss.item()
    return total / len(batches[:num_steps])


def sample_triplets(data: HeteroData, rng: random.Random) -> Triplets:
    """Returns all training interactions in random order, each with a negative item."""
    pairs = data[INTERACTS].edge_index.t().tolist()
    history = items_by_user(data[INTERACTS].edge_index)
    seen = sorted({item for _, item in pairs})
    rng.shuffle(pairs)
    negatives = []
    for user, _ in pairs:
        negative = rng.choice(seen)
        while negative in history[user]:
            negative = rng.choice(seen)
        negatives.append(negative)
    user, positive = torch.tensor(pairs).t()
    return Triplets(user, positive, torch.tensor(negatives))


@torch.no_grad()
def evaluate(
    model: torch.nn.Module,
    data: HeteroData,
    split: str = "val",
    ks: tuple[int, ...] = (5, 10, 20, 50),
    batch_size: int = 4096,
) -> dict[str, float]:
    """Returns the mean over users of recall, NDCG, precision and MAP, by names such as
    :obj:`"recall@20"`.
    """
    user_emb, item_emb = model()
    history = items_by_user(data[INTERACTS].edge_index)
    held_out = items_by_user(data[INTERACTS][f"{split}_edge_label_index"])
    users = sorted(held_out)
    total = {f"{name}@{k}": 0.0 for name in ("recall", "ndcg", "precision", "map") for k in ks}
    for begin in range(0, len(users), batch_size):
        batch = users[begin : begin + batch_size]
        scores = user_emb[batch] @ item_emb.t()
        for row, user in enumerate(batch):
            scores[row, list(history.get(user, ()))] = -torch.inf
        ranked = scores.topk(min(max(ks), scores.size(1))).indices
        for user, ranking in zip(batch, ranked.tolist(), strict=True):
            for name, value in metrics_of(ranking, held_out[user], ks).items():
                total[name] += value
    return {name: value / len(users) for name, value in total.items()}


def metrics_of(ranking: list[int], relevant: set[int], ks: tuple[int, ...]) -> dict[str, float]:
    """Returns the metrics of one user."""
    values = {}
    for k in ks:
        hits = 0
        gain = precisions = 0.0
        for rank, item in enumerate(ranking[:k], start=1):
            if item in relevant:
                hits += 1
                gain += 1 / math.log2(rank + 1)
                precisions += hits / rank
        best = min(len(relevant), k)
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, best + 1))
        values[f"recall@{k}"] = hits / len(relevant)
        values[f"ndcg@{k}"] = gain / ideal
        values[f"precision@{k}"] = hits / k
        values[f"map@{k}"] = precisions / best
    return values


def items_by_user(edge_index: Tensor) -> dict[int, set[int]]:
    """Returns the items of each user."""
    items: dict[int, set[int]] = {}
    for user, item in edge_index.t().tolist():
        items.setdefault(user, set()).add(item)
    return items
