from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import NGCF
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS = 4, 5
# Item 4 has no interactions.
EDGE_INDEX = torch.tensor([[0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 1, 3, 3, 0]])
BATCH = Triplets(torch.tensor([2, 0, 2]), torch.tensor([3, 1, 3]), torch.tensor([0, 4, 1]))
Laplacian = Callable[[Tensor, int, int], Tensor]


def make_data() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    data[INTERACTS].edge_index = EDGE_INDEX
    return NGCF.graph_transform()(data)


def make_model(**options: object) -> NGCF:
    torch.manual_seed(0)
    model = NGCF(NUM_USERS, NUM_ITEMS, hidden_channels=3, **options).double()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


def dense(model: NGCF, matrix: Tensor) -> list[Tensor]:
    """Returns the layers of users and items by the matrix form of the paper (Eq. 7)."""
    x = torch.cat(model.tables).detach()
    layers, identity = [x], torch.eye(len(x), dtype=x.dtype)
    for of_sum, of_product in zip(model.sums, model.products, strict=True):
        out = (matrix + identity) @ x @ of_sum.weight.t()
        out = out + ((matrix @ x) * x) @ of_product.weight.t()
        for linear in (of_sum, of_product):
            if linear.bias is not None:
                out = out + linear.bias
        x = torch.where(out > 0, out, 0.2 * out).detach()
        layers.append(x)
    return layers


@pytest.mark.parametrize("num_layers", [0, 1, 3])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
def test_equals_the_definition(
    num_layers: int, bias: bool, normalize: bool, laplacian: Laplacian
) -> None:
    model = make_model(num_layers=num_layers, bias=bias, normalize=normalize)
    first, *layers = dense(model, laplacian(EDGE_INDEX, NUM_USERS, NUM_ITEMS))
    if normalize:
        layers = [x / x.norm(dim=1, keepdim=True) for x in layers]
    expected = torch.cat([first, *layers], dim=1)
    torch.testing.assert_close(torch.cat(model(make_data())), expected, rtol=1e-6, atol=1e-7)


def test_loss_equals_the_definition() -> None:
    model = make_model(reg=0.3, dropout=0.0)
    user, item = (emb.detach() for emb in model(make_data()))
    parts = user[BATCH.user], item[BATCH.positive], item[BATCH.negative]
    scores = (parts[0] * (parts[1] - parts[2])).sum(1)
    terms = model.loss(make_data(), BATCH)
    assert list(terms) == ["bpr", "reg"]
    assert terms["bpr"].item() == pytest.approx(float(-F.logsigmoid(scores).mean()))
    squares = sum(float((x * x).sum()) for x in parts)
    assert terms["reg"].item() == pytest.approx(0.3 * squares / 2 / 3)


@pytest.mark.parametrize("option", ["dropout", "node_dropout"])
def test_dropout_is_drawn_in_training_only(option: str) -> None:
    chosen = {"dropout": 0.0, option: 0.5}
    model, data = make_model(**chosen), make_data()
    torch.manual_seed(0)
    first, second = (model.loss(data, BATCH)["bpr"].item() for _ in range(2))
    assert first != second
    model.eval()
    assert model.loss(data, BATCH)["bpr"].item() == model.loss(data, BATCH)["bpr"].item()


def test_a_blocked_node_sends_nothing_and_keeps_itself(laplacian: Laplacian) -> None:
    model = make_model(num_layers=1, dropout=0.0, node_dropout=0.5, normalize=False)
    sent: list[Tensor] = []
    keep, block = model._block, torch.tensor([[0.0], [2.0], [2.0], [0.0], [2.0]]).double()

    def blocked(x: Tensor) -> Tensor:
        assert set((keep(x) / x).unique().round().tolist()) <= {0.0, 2.0}
        sent.append(x * block[: len(x)])
        return sent[-1]

    model._block = blocked  # type: ignore[method-assign]
    found = torch.cat(model.embed(make_data(), disturb=True))[:, 3:]
    x, matrix = torch.cat(model.tables), laplacian(EDGE_INDEX, NUM_USERS, NUM_ITEMS)
    received = matrix @ torch.cat(sent)
    out = model.sums[0](x + received) + model.products[0](x * received)
    torch.testing.assert_close(found, F.leaky_relu(out, 0.2), rtol=1e-6, atol=1e-7)


test_wrong_arguments = wrong_arguments("NGCF")
test_contract = keeps_contract("ngcf")
