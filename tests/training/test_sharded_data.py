from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import LightGCN
from soil_pyg.models.graphs import adjacency
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.sharded_data import ShardedData
from soil_pyg.typing import INTERACTS, ITEM, TRAINED_EARLIER, USER
from threads import Threads


class Part(torch.nn.Module):
    """Adds the features of the items to one product with the graph, for some of the nodes."""

    def __init__(self, user: Tensor, item: Tensor) -> None:
        super().__init__()
        self.tables = user, item

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        graph, (user, item) = adjacency(data, INTERACTS), self.tables
        assert (data[USER].num_nodes, data[ITEM].num_nodes) == (len(user), len(item))
        return graph.t() @ item, graph @ user + data[ITEM].x_image


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_shares_make_the_whole(
    featured_data: Callable[..., HeteroData], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = LightGCN.graph_transform()(featured_data(1))
    store = data[INTERACTS]
    # Users 1 to 29 have no pair to rank in the test split, so that processes are without any.
    store.test_edge_label_index = store.test_edge_label_index[:, :2]
    seen = set(
        map(tuple, torch.cat([store.edge_index, store.val_edge_label_index], 1).t().tolist())
    )
    earlier = [(user, item) for user in range(30) for item in range(25)][::7]
    store[TRAINED_EARLIER] = torch.tensor([pair for pair in earlier if pair not in seen]).t()
    tables = torch.randn(30, 5), torch.randn(25, 5)
    threads, evaluator = Threads(size, monkeypatch), Evaluator([3])

    def compute(rank: int) -> tuple[tuple[Tensor, Tensor], dict[str, dict[str, float]]]:
        ranks: Any = SimpleNamespace(rank=rank, size=size)
        # Two machines.
        places = {"node_rank": rank // 2, "local_rank": rank % 2}
        ranks.fabric = SimpleNamespace(device=torch.device("cpu"), **places)
        ranks.each = lambda function: threads.exchange(function())
        ranks.share = lambda value: threads.exchange(value)[0]
        shares, model = ShardedData(data, ranks), Part(*(x[rank::size] for x in tables))
        metrics = {}
        for split in ("val", "test", "val"):
            metrics[split] = shares.evaluate(evaluator, model, split)
        return shares.embed(model), metrics

    matrix = store.adjacency.to_dense()
    user_emb, item_emb = matrix.t() @ tables[1], matrix @ tables[0] + data[ITEM].x_image
    expected = {s: evaluator.evaluate(Part(*tables), data, s) for s in ("val", "test")}
    for rank, ((user, item), metrics) in enumerate(threads.run(compute)):
        torch.testing.assert_close(user, user_emb[rank::size])
        torch.testing.assert_close(item, item_emb[rank::size])
        assert metrics == expected
