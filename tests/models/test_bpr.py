import math

import pytest
import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import BPR
from soil_pyg.typing import Triplets


def test_repr() -> None:
    assert str(BPR(3, 4, hidden_channels=8)) == (
        "BPR(\n"
        "  (user_embedding): Embedding(3, 8)\n"
        "  (item_embedding): Embedding(4, 8)\n"
        "  (bpr_loss): BPRLoss(reduction='mean')\n"
        ")"
    )


def test_the_embeddings_are_the_result() -> None:
    model = BPR(3, 4)
    user_emb, item_emb = model(HeteroData())
    assert user_emb is model.user_embedding.weight
    assert item_emb is model.item_embedding.weight
    assert user_emb.size() == (3, 64)


def test_loss_equals_the_definition() -> None:
    model = BPR(3, 4, hidden_channels=2, reg=0.3).double()
    batch = Triplets(torch.tensor([2, 0, 2]), torch.tensor([1, 3, 1]), torch.tensor([0, 0, 3]))
    user, item = (embedding.tolist() for embedding in model(HeteroData()))
    bpr, norms = 0.0, [0.0, 0.0, 0.0]
    for u, i, j in zip(*(part.tolist() for part in batch), strict=True):
        margin = sum(a * (b - c) for a, b, c in zip(user[u], item[i], item[j], strict=True))
        bpr += math.log1p(math.exp(-margin)) / 3
        for n, row in enumerate((user[u], item[i], item[j])):
            norms[n] += sum(x * x for x in row)
    terms = model.loss(HeteroData(), batch)
    assert list(terms) == ["bpr", "reg"]
    assert terms["bpr"].item() == pytest.approx(bpr, rel=1e-12)
    expected = 0.3 * sum(math.sqrt(norm) for norm in norms) / 3
    assert terms["reg"].item() == pytest.approx(expected, rel=1e-12)


def test_embeddings_are_xavier_normal() -> None:
    torch.manual_seed(0)
    model = BPR(600, 400, hidden_channels=100)
    for size, weight in zip((600, 400), model.parameters(), strict=True):
        assert weight.std().item() == pytest.approx(math.sqrt(2 / (size + 100)), rel=0.02)
        assert weight.abs().max() > 3 * weight.std()


def test_decomposition_is_the_tables() -> None:
    model = BPR(3, 4, hidden_channels=2)
    found = model.decompose(HeteroData(), BPR.graph_transform)
    user_emb, item_emb = (table.double() for table in model(HeteroData()))
    for content, table in zip(found.content, (user_emb, item_emb), strict=True):
        assert content.equal(table)
    for user in range(3):
        (part,) = found.of_user(user)
        assert (part.kind, part.modality, part.item.tolist()) == ("own", "content", [-1])
        assert part.vector.equal(user_emb[user : user + 1])
    for item in range(4):
        assert found.of_item(item)["content"].equal(item_emb[item])


test_wrong_arguments = wrong_arguments("BPR")
test_contract = keeps_contract("bpr")
