import math

import pytest
import torch
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import LightGCN
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS = 4, 5
# Item 4 has no interactions.
EDGE_INDEX = torch.tensor([[0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 1, 3, 3, 0]])


def make_data() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    data[INTERACTS].edge_index = EDGE_INDEX
    return LightGCN.graph_transform()(data)


def dense(model: LightGCN, num_layers: int) -> Tensor:
    """Returns the embeddings of users and items by powers of the dense Laplacian."""
    size = NUM_USERS + NUM_ITEMS
    matrix = torch.zeros(size, size, dtype=torch.float64)
    for user, item in EDGE_INDEX.t().tolist():
        matrix[user, NUM_USERS + item] = matrix[NUM_USERS + item, user] = 1
    degree = matrix.sum(1)
    for i in range(size):
        for j in range(size):
            if matrix[i, j] > 0:
                matrix[i, j] /= math.sqrt(degree[i] * degree[j])
    x = torch.cat([model.user_embedding.weight, model.item_embedding.weight]).detach()
    layers = [torch.linalg.matrix_power(matrix, n) @ x for n in range(num_layers + 1)]
    return torch.stack(layers).mean(0)


@pytest.mark.parametrize("num_layers", [0, 1, 2, 3])
def test_equals_the_dense_laplacian(num_layers: int) -> None:
    model = LightGCN(NUM_USERS, NUM_ITEMS, hidden_channels=3, num_layers=num_layers).double()
    user_emb, item_emb = model(make_data())
    expected = dense(model, num_layers)
    torch.testing.assert_close(torch.cat([user_emb, item_emb]), expected, rtol=1e-6, atol=1e-7)
    kept = model.item_embedding.weight[4] / (num_layers + 1)
    torch.testing.assert_close(item_emb[4], kept)


def test_loss_equals_the_definition() -> None:
    model = LightGCN(NUM_USERS, NUM_ITEMS, hidden_channels=3, reg=0.3).double()
    batch = Triplets(torch.tensor([2, 0, 2]), torch.tensor([3, 1, 3]), torch.tensor([0, 4, 1]))
    user, item = dense(model, 2).split([NUM_USERS, NUM_ITEMS])
    bpr = 0.0
    for u, i, j in zip(*(part.tolist() for part in batch), strict=True):
        bpr += math.log1p(math.exp(-float(user[u] @ (item[i] - item[j])))) / 3
    first_user, first_item = (p.detach() for p in model.parameters())
    initial = first_user[batch.user], first_item[batch.positive], first_item[batch.negative]
    terms = model.loss(make_data(), batch)
    assert list(terms) == ["bpr", "reg"]
    assert terms["bpr"].item() == pytest.approx(bpr, rel=1e-6)
    expected = 0.3 * sum(math.sqrt(float((x * x).sum())) for x in initial) / 3
    assert terms["reg"].item() == pytest.approx(expected, rel=1e-12)


def test_repr() -> None:
    assert str(LightGCN(3, 4)) == (
        "LightGCN(\n"
        "  (user_embedding): Embedding(3, 64)\n"
        "  (item_embedding): Embedding(4, 64)\n"
        "  (propagation): LightPropagation(num_layers=2)\n"
        "  (bpr_loss): BPRLoss(reduction='mean')\n"
        ")"
    )


def test_sizes_that_do_not_match_the_data() -> None:
    with pytest.raises(ValueError, match=r"'x'.*\(got 7\)"):
        LightGCN(7, NUM_ITEMS)(make_data())


test_wrong_arguments = wrong_arguments("LightGCN")
test_contract = keeps_contract("lightgcn")
