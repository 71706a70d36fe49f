import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.typing import INTERACTS, SECOND_ORDER, Triplets

NUM_USERS, NUM_ITEMS = 7, 6
PROFILES = pytest.mark.parametrize("profile", ["paper", "released"])


def make_data() -> HeteroData:
    generator = torch.Generator().manual_seed(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in {"image": 4, "text": 3}.items():
        data["item"][f"x_{modality}"] = torch.rand(NUM_ITEMS, size, generator=generator)
    users = torch.arange(NUM_USERS).repeat_interleave(2)
    items = torch.stack([torch.randperm(NUM_ITEMS, generator=generator)[:2] for _ in range(7)])
    data[INTERACTS].edge_index = torch.stack([users, items.flatten()])
    return data


def interactions(data: HeteroData) -> Tensor:
    out = torch.zeros(NUM_ITEMS, NUM_USERS)
    user, item = data[INTERACTS].edge_index
    out[item, user] = 1
    return out


def sym(matrix: Tensor) -> Tensor:
    row, column = (matrix.sum(dim=dim).pow(-0.5).nan_to_num(posinf=0).double() for dim in (1, 0))
    return (row.unsqueeze(1) * matrix * column).float()


@PROFILES
def test_without_second_order_items(profile: str) -> None:
    data = SOIL.graph_transform(profile, k=2, k_i=2, second_order=False)(make_data())
    r = interactions(data)
    assert SECOND_ORDER not in data.edge_types
    torch.testing.assert_close(data[USER_ITEM].adjacency.to_dense(), sym(r))
    expected = r if profile == "paper" else sym(r)
    torch.testing.assert_close(data[AGGREGATION].adjacency.to_dense(), expected)
    whole = SOIL.graph_transform(profile, k=2, k_i=2)(make_data())
    for modality in ("image", "text"):
        ours, theirs = (d[item_item(modality)].adjacency.to_dense() for d in (data, whole))
        torch.testing.assert_close(ours, theirs)


@PROFILES
def test_without_interest_graphs(profile: str) -> None:
    data = SOIL.graph_transform(profile, k=2, k_i=2, interest=False)(make_data())
    assert not any("interest" in relation for _, relation, _ in data.edge_types)
    for modality in ("image", "text"):
        store = data["item", f"{modality}_similar", "item"]
        source, target = store.edge_index
        similar = torch.zeros(NUM_ITEMS, NUM_ITEMS)
        similar[target, source] = store.edge_weight
        degree = similar.sum(dim=1).pow(-0.5)
        expected = degree.unsqueeze(1) * similar * degree
        torch.testing.assert_close(data[item_item(modality)].adjacency.to_dense(), expected)
        assert data[item_item(modality)].search["index"] == "Flat"
    whole = SOIL.graph_transform(profile, k=2, k_i=2)(make_data())
    assert data[SECOND_ORDER].edge_index.equal(whole[SECOND_ORDER].edge_index)
    for edge_type in (USER_ITEM, AGGREGATION):
        assert data[edge_type].adjacency.to_dense().equal(whole[edge_type].adjacency.to_dense())


@PROFILES
def test_the_model_trains_without_both(profile: str) -> None:
    data = SOIL.graph_transform(profile, k=2, second_order=False, interest=False)(make_data())
    model = SOIL.from_profile(profile, NUM_USERS, NUM_ITEMS, {"image": 4, "text": 3})
    batch = Triplets(torch.tensor([0, 1]), torch.tensor([1, 2]), torch.tensor([3, 4]))
    loss = sum(model.loss(data, batch).values())
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_interest_graphs_may_be_scaled() -> None:
    graphs = {}
    for scale in (0.0, 1.0, 3.0):
        data = SOIL.graph_transform("paper", k=2, k_i=2, interest_scale=scale)(make_data())
        graphs[scale] = data[item_item("text")].adjacency.to_dense()
    expected = graphs[0.0] + 3 * (graphs[1.0] - graphs[0.0])
    torch.testing.assert_close(graphs[3.0], expected)
    without = SOIL.graph_transform("paper", k=2, interest=False)(make_data())
    torch.testing.assert_close(graphs[0.0], without[item_item("text")].adjacency.to_dense())
