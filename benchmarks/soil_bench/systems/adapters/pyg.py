"""LightGCN of PyG, along edges or, where torch-sparse is installed, by sparse products."""

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric import seed_everything
from torch_geometric.metrics import LinkPredRecall
from torch_geometric.nn import LightGCN
from torch_geometric.typing import WITH_TORCH_SPARSE, SparseTensor

from soil_bench.systems.problem import Array, Problem
from soil_bench.systems.turns import Turns

DISTRIBUTIONS = ["torch", "torch_geometric", "torch_scatter", "torch_sparse"]
USERS_PER_BLOCK = 2048


def run(problem: Problem, turns: Turns) -> tuple[Array, Array]:
    """Trains the model and returns the embeddings of users and items."""
    settings = problem.settings
    torch.set_num_threads(settings.threads)
    seed_everything(settings.seed)
    num_nodes = settings.num_users + settings.num_items
    pairs = torch.from_numpy(problem.train)
    pairs = torch.stack([pairs[0], pairs[1] + settings.num_users])
    graph = torch.cat([pairs, pairs.flip(0)], dim=1)
    if WITH_TORCH_SPARSE:
        graph = SparseTensor.from_edge_index(graph, sparse_sizes=(num_nodes, num_nodes)).t()
        graph.fill_cache_()
    model = LightGCN(num_nodes, settings.hidden_channels, settings.num_layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr)
    loader = DataLoader(range(pairs.size(1)), settings.batch_size, shuffle=True)  # type: ignore
    for _ in turns.epochs():
        for batch in loader:
            user, positive = pairs[:, batch]
            negative = torch.randint(settings.num_users, num_nodes, positive.size())
            label = torch.stack([user.repeat(2), torch.cat([positive, negative])])
            scores = model(graph, label).chunk(2)
            nodes = torch.unique(label)
            loss = model.recommendation_loss(*scores, nodes, lambda_reg=settings.reg)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    val = torch.from_numpy(problem.val)
    with torch.no_grad():
        turns.evaluate(lambda: evaluate(model.get_embedding(graph), problem, val))
        embeddings = model.get_embedding(graph).numpy()
    return embeddings[: settings.num_users], embeddings[settings.num_users :]


def evaluate(embeddings: Tensor, problem: Problem, val: Tensor) -> float:
    """Returns Recall@20 by PyG's metric."""
    num_users = problem.settings.num_users
    train = torch.from_numpy(problem.train)
    train = train[:, train[0].argsort()]
    val = val[:, val[0].argsort()]
    metric = LinkPredRecall(k=20)
    for begin in range(0, num_users, USERS_PER_BLOCK):
        bounds = torch.tensor([begin, min(begin + USERS_PER_BLOCK, num_users)])
        known, held_out = (
            x[:, slice(*torch.searchsorted(x[0].contiguous(), bounds).tolist())]
            - torch.tensor([[begin], [0]])
            for x in (train, val)
        )
        scores = embeddings[slice(*bounds.tolist())] @ embeddings[num_users:].t()
        scores[known[0], known[1]] = -torch.inf
        metric.update(scores.topk(20).indices, held_out)
    return float(metric.compute())
