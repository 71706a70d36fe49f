from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import SimGCL, XSimGCL
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS = 3, 4
EDGE_INDEX = torch.tensor([[0, 0, 1, 1, 2], [0, 1, 1, 3, 2]])
BATCH = Triplets(torch.tensor([2, 0]), torch.tensor([2, 1]), torch.tensor([0, 3]))
Laplacian = Callable[[Tensor, int, int], Tensor]
NoisyLayers = Callable[[Tensor, tuple[Tensor, Tensor], int, float], list[Tensor]]
NaiveContrast = Callable[[Tensor, Tensor, list[int], list[int], float], float]


def make_data() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    data[INTERACTS].edge_index = EDGE_INDEX
    return XSimGCL.graph_transform()(data)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_loss_equals_the_definition(
    layer: int, laplacian: Laplacian, noisy_layers: NoisyLayers, naive_contrast: NaiveContrast
) -> None:
    options = {"contrast_layer": layer, "eps": 0.3, "cl_weight": 0.7, "tau": 0.4}
    torch.manual_seed(0)
    model = XSimGCL(NUM_USERS, NUM_ITEMS, hidden_channels=3, **options).double()
    matrix = laplacian(EDGE_INDEX, NUM_USERS, NUM_ITEMS)
    torch.manual_seed(5)
    layers = noisy_layers(matrix, model.tables, 3, 0.3)
    users, items = torch.stack(layers).mean(0).split([NUM_USERS, NUM_ITEMS])
    other_users, other_items = layers[layer - 1].split([NUM_USERS, NUM_ITEMS])
    rows, item_rows = BATCH.user.tolist(), BATCH.positive.tolist()
    expected = naive_contrast(users, other_users, rows, rows, 0.4)
    expected += naive_contrast(items, other_items, item_rows, item_rows, 0.4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand_like", lambda x: torch.rand(x.size()).to(x.dtype))
        torch.manual_seed(5)
        terms = model.loss(make_data(), BATCH)
    assert terms["contrast"].item() == pytest.approx(0.7 * expected, rel=1e-6)
    scores = users[BATCH.user] * (items[BATCH.positive] - items[BATCH.negative])
    assert terms["bpr"].item() == pytest.approx(float(-F.logsigmoid(scores.sum(1)).mean()))


def test_embeddings_are_those_of_simgcl() -> None:
    data, model = make_data(), XSimGCL(NUM_USERS, NUM_ITEMS)
    other = SimGCL(NUM_USERS, NUM_ITEMS)
    other.load_state_dict(model.state_dict())
    assert all(a.equal(b) for a, b in zip(model(data), other(data), strict=True))


test_wrong_arguments = wrong_arguments("XSimGCL")
test_contract = keeps_contract("xsimgcl")
