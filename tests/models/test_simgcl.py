from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import SimGCL
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS = 4, 5
# Item 4 has no interactions.
EDGE_INDEX = torch.tensor([[0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 1, 3, 3, 0]])
BATCH = Triplets(torch.tensor([2, 0, 2]), torch.tensor([3, 1, 3]), torch.tensor([0, 4, 1]))
Laplacian = Callable[[Tensor, int, int], Tensor]
NoisyLayers = Callable[[Tensor, tuple[Tensor, Tensor], int, float], list[Tensor]]
NaiveContrast = Callable[[Tensor, Tensor, list[int], list[int], float], float]


def make_data() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    data[INTERACTS].edge_index = EDGE_INDEX
    return SimGCL.graph_transform()(data)


def make_model(**options: float) -> SimGCL:
    torch.manual_seed(0)
    return SimGCL(NUM_USERS, NUM_ITEMS, hidden_channels=3, **options).double()


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_equals_the_dense_laplacian(num_layers: int, laplacian: Laplacian) -> None:
    model, matrix = make_model(num_layers=num_layers), laplacian(EDGE_INDEX, NUM_USERS, NUM_ITEMS)
    x = torch.cat(model.tables).detach()
    layers = [torch.linalg.matrix_power(matrix, n) @ x for n in range(1, num_layers + 1)]
    expected = torch.stack(layers).mean(0)
    torch.testing.assert_close(torch.cat(model(make_data())), expected, rtol=1e-6, atol=1e-7)


def test_loss_equals_the_definition(
    laplacian: Laplacian, noisy_layers: NoisyLayers, naive_contrast: NaiveContrast
) -> None:
    model = make_model(num_layers=2, eps=0.3, cl_weight=0.7, tau=0.4, reg=0.2)
    matrix = laplacian(EDGE_INDEX, NUM_USERS, NUM_ITEMS)
    torch.manual_seed(5)
    views = []
    for _ in range(2):
        layers = noisy_layers(matrix, model.tables, 2, 0.3)
        views.append(torch.stack(layers).mean(0).split([NUM_USERS, NUM_ITEMS]))
    (users, items), (other_users, other_items) = views
    rows, item_rows = BATCH.user.tolist(), BATCH.positive.tolist()
    expected = naive_contrast(users, other_users, rows, rows, 0.4)
    expected += naive_contrast(items, other_items, item_rows, item_rows, 0.4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand_like", lambda x: torch.rand(x.size()).to(x.dtype))
        torch.manual_seed(5)
        terms = model.loss(make_data(), BATCH)
    assert list(terms) == ["bpr", "reg", "contrast"]
    assert terms["contrast"].item() == pytest.approx(0.7 * expected, rel=1e-6)
    user, item = (emb.detach() for emb in model(make_data()))
    scores = user[BATCH.user] * (item[BATCH.positive] - item[BATCH.negative])
    assert terms["bpr"].item() == pytest.approx(float(-F.logsigmoid(scores.sum(1)).mean()))
    users, items = (table.detach() for table in model.tables)
    first = [users[BATCH.user], *(items[x] for x in BATCH[1:])]
    assert terms["reg"].item() == pytest.approx(0.2 * sum(float(x.norm()) for x in first) / 3)


def test_noise_is_drawn_in_training_only() -> None:
    data, model = make_data(), make_model()
    clean = [x for layer in model.layers(data) for x in layer]
    noisy = [x for layer in model.layers(data, noisy=True) for x in layer]
    assert not any(a.equal(b) for a, b in zip(clean, noisy, strict=True))
    model.eval()
    kept = [x for layer in model.layers(data, noisy=True) for x in layer]
    assert all(a.equal(b) for a, b in zip(clean, kept, strict=True))


def test_a_new_user_receives_what_a_layer_sends() -> None:
    data, model = make_data(), make_model(num_layers=1)
    items = torch.tensor([[0, 0], [1, 3]])
    found = model.embed_new_users(data, SimGCL.graph_transform, model(data)[1], items, 1)
    degrees = torch.tensor([3.0, 3.0])  # Items 1 and 3 with the new user.
    initial = model.item_embedding.weight[[1, 3]]
    expected = (initial / (degrees * 2).sqrt().unsqueeze(1)).sum(0, keepdim=True)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


test_wrong_arguments = wrong_arguments("SimGCL")
test_contract = keeps_contract("simgcl")
