from collections.abc import Callable

import pytest
import torch
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import SGL, LightGCN
from soil_pyg.models.sgl import view_graph
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS = 12, 10
BATCH = Triplets(torch.tensor([2, 0, 2]), torch.tensor([3, 1, 3]), torch.tensor([0, 4, 1]))
Laplacian = Callable[[Tensor, int, int], Tensor]
NaiveContrast = Callable[[Tensor, Tensor, list[int], list[int], float], float]


def make_data() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    generator = torch.Generator().manual_seed(0)
    interactions = torch.rand(NUM_USERS, NUM_ITEMS, generator=generator) < 0.5
    data[INTERACTS].edge_index = interactions.nonzero().t().contiguous()
    return SGL.graph_transform()(data)


def make_model(**options: object) -> SGL:
    torch.manual_seed(0)
    return SGL(NUM_USERS, NUM_ITEMS, hidden_channels=3, **options).double()


@pytest.mark.parametrize("augmentation", ["edge_dropout", "node_dropout", "random_walk"])
def test_contrast_equals_the_definition(
    augmentation: str, laplacian: Laplacian, naive_contrast: NaiveContrast
) -> None:
    options = {"augmentation": augmentation, "dropout": 0.3, "cl_weight": 0.4, "tau": 0.6}
    data, model = make_data(), make_model(num_layers=2, **options)
    model.on_epoch_start(data)
    views = []
    for view in range(2):
        x = torch.cat(model.tables).detach()
        layers = [x]
        for layer in range(2):
            graph = view_graph(view, layer if augmentation == "random_walk" else 0)
            matrix = laplacian(data[graph].edge_index, NUM_USERS, NUM_ITEMS)
            layers.append(matrix @ layers[-1])
        views.append((sum(layers) / 3).split([NUM_USERS, NUM_ITEMS]))
    (users, items), (other_users, other_items) = views
    everyone, everything = list(range(NUM_USERS)), list(range(NUM_ITEMS))
    expected = naive_contrast(users, other_users, BATCH.user.tolist(), everyone, 0.6)
    expected += naive_contrast(items, other_items, BATCH.positive.tolist(), everything, 0.6)
    terms = model.loss(data, BATCH)
    assert list(terms) == ["bpr", "reg", "contrast"]
    assert terms["contrast"].item() == pytest.approx(0.4 * expected, rel=1e-6)


def test_the_rest_is_lightgcn() -> None:
    data, model = make_data(), make_model(num_layers=2, reg=0.3)
    other = LightGCN(NUM_USERS, NUM_ITEMS, hidden_channels=3, num_layers=2, reg=0.3).double()
    other.load_state_dict(model.state_dict())
    model.on_epoch_start(data)
    assert all(a.equal(b) for a, b in zip(model(data), other(data), strict=True))
    expected, terms = other.loss(data, BATCH), model.loss(data, BATCH)
    assert {name: terms[name] for name in expected} == expected


def edges_of(data: HeteroData, view: int, layer: int = 0) -> set[tuple[int, int]]:
    return {(u, i) for u, i in data[view_graph(view, layer)].edge_index.t().tolist()}


def test_edge_dropout_draws_two_views_per_epoch() -> None:
    data, model = make_data(), make_model(dropout=0.25)
    whole = {(u, i) for u, i in data[INTERACTS].edge_index.t().tolist()}
    seen = []
    for _ in range(2):
        model.on_epoch_start(data)
        seen += [edges_of(data, 0), edges_of(data, 1)]
    for edges in seen:
        assert edges < whole
        assert len(edges) == round(0.75 * len(whole))
    assert len({frozenset(edges) for edges in seen}) == 4


def test_node_dropout_leaves_out_all_interactions_of_a_node() -> None:
    data, model = make_data(), make_model(augmentation="node_dropout", dropout=0.25)
    model.on_epoch_start(data)
    whole = {(u, i) for u, i in data[INTERACTS].edge_index.t().tolist()}
    kept = edges_of(data, 0)
    users, items = {u for u, _ in kept}, {i for _, i in kept}
    assert len(users) <= 9
    assert len(items) <= 8
    assert kept == {(u, i) for u, i in whole if u in users and i in items}


def test_a_random_walk_draws_anew_in_every_layer() -> None:
    data, model = make_data(), make_model(augmentation="random_walk", dropout=0.5, num_layers=2)
    model.on_epoch_start(data)
    seen = {frozenset(edges_of(data, view, layer)) for view in range(2) for layer in range(2)}
    assert len(seen) == 4


@pytest.mark.parametrize("how", ["evaluation", "no dropout", "no epoch"])
def test_views_of_the_whole_graph(how: str) -> None:
    data, model = make_data(), make_model(dropout=0.0 if how == "no dropout" else 0.5)
    if how != "no epoch":
        model.on_epoch_start(data)
    model.train(how != "evaluation")
    for view in range(2):
        assert all(a.equal(b) for a, b in zip(model.view(data, view), model(data), strict=True))


test_wrong_arguments = wrong_arguments("SGL")
test_contract = keeps_contract("sgl_edge_dropout", "sgl_node_dropout", "sgl_random_walk")
