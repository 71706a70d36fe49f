from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg import add_items, add_users
from soil_pyg.models import BPR, MGCN, SOIL, Recommender
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.runs.warm_start import warm_start
from soil_pyg.typing import ITEM, USER

FeaturedData = Callable[..., HeteroData]
RandomRun = Callable[..., TrainedModel]
SIZES = {"image": 5, "text": 4, "audio": 3}


def grown(data: HeteroData) -> HeteroData:
    """Two users and one item are gone, three users and two items are new, in another order."""
    out = HeteroData()
    out[USER].id = np.array([5, *range(290, 10, -10), 7, 9])
    out[ITEM].id = np.array(["item 99", *(f"item {i}" for i in range(1, 25)), "item 77"])
    for node_type in (USER, ITEM):
        out[node_type].num_nodes = len(out[node_type].id)
    return out


@pytest.mark.parametrize(("spec", "kind"), [("soil", SOIL), ("mgcn", MGCN)], ids=["soil", "mgcn"])
def test_rows_are_copied_by_id(
    featured_data: FeaturedData, random_run: RandomRun, spec: str, kind: type[Recommender]
) -> None:
    data = featured_data()
    trained = random_run(data, spec, "paper", k=3)
    new_data = grown(data)
    torch.manual_seed(7)
    model = kind(31, 26, SIZES, hidden_channels=6)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    assert warm_start(model, new_data, trained) == {"user": 28, "item": 24}
    old = dict(trained.model.named_parameters())
    of_nodes = model.node_parameters()
    known = {
        USER: {id_: n for n, id_ in enumerate(trained.user_id.tolist())},
        ITEM: {id_: n for n, id_ in enumerate(trained.item_id.tolist())},
    }
    for name, parameter in model.named_parameters():
        if name not in of_nodes:
            assert parameter.equal(old[name])
            continue
        for row, id_ in enumerate(new_data[of_nodes[name]].id.tolist()):
            place = known[of_nodes[name]].get(id_)
            expected = before[name][row] if place is None else old[name][place]
            assert parameter[row].equal(expected)
        assert parameter.requires_grad


@pytest.mark.parametrize("spec", ["bpr", "soil"])
def test_later_users_and_items_have_no_weights(
    featured_data: FeaturedData, random_run: RandomRun, spec: str
) -> None:
    data = featured_data()
    trained = random_run(data, spec, **({"k": 3} if spec == "soil" else {}))
    interactions = pd.DataFrame({"user": [901, 902], "item": ["item 3", "item 4"]})
    larger = add_users(trained, data, interactions)
    features = {m: np.ones((2, size), "f4") for m, size in SIZES.items()}
    larger = add_items(larger, data, features, ["item 98", "item 99"])
    new_data = HeteroData()
    new_data[USER].id = np.array([902, 70, 901, *range(0, 70, 10)])
    new_data[ITEM].id = np.array(["item 99", "item 7", "item 98", "item 0"])
    model = type(trained.model)(10, 4, SIZES, hidden_channels=6)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    assert warm_start(model, new_data, larger) == {"user": 8, "item": 2}
    old = dict(trained.model.named_parameters())
    for name, known in {"user": [7, *range(7)], "item": [7, 0]}.items():
        rows = torch.tensor([1, *range(3, 3 + len(known) - 1)])
        table = model.get_parameter(f"{name}_embedding.weight")
        assert table[rows].equal(old[f"{name}_embedding.weight"][known])
        assert table[[0, 2]].equal(before[f"{name}_embedding.weight"][[0, 2]])


def test_new_and_absent_modalities(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data(2)
    trained = random_run(data, "soil", k=3)
    model = SOIL.released(30, 25, {"image": 5, "audio": 3}, hidden_channels=6)
    before = model.gates["audio"].project.weight.clone()
    warm_start(model, data, trained)
    assert model.gates["audio"].project.weight.equal(before)
    assert model.gates["image"].project.weight.equal(trained.model.gates["image"].project.weight)


def test_data_without_ids(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    del data[USER].id, data[ITEM].id
    trained = random_run(data, "bpr")
    new_data = HeteroData()
    new_data[USER].num_nodes, new_data[ITEM].num_nodes = 32, 20
    model = BPR(32, 20, hidden_channels=6)
    assert warm_start(model, new_data, trained) == {"user": 30, "item": 20}
    assert model.item_embedding.weight.equal(trained.model.item_embedding.weight[:20])


def test_errors(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    trained = random_run(data, "soil", "released", k=3)
    with pytest.raises(ValueError, match=r"'init' \(--init\) must be a run of BPR \(got SOIL\)"):
        warm_start(BPR(30, 25), data, trained)
    for model, name in [
        (SOIL.released(30, 25, SIZES, hidden_channels=7), "user_embedding.weight"),
        (SOIL.released(30, 25, SIZES | {"text": 9}, hidden_channels=6), "gates.text.project"),
    ]:
        before = [p.clone() for p in model.parameters()]
        with pytest.raises(ValueError, match=f"with the same sizes: '{name}.*' has "):
            warm_start(model, data, trained)
        assert all(a.equal(b) for a, b in zip(before, model.parameters(), strict=True))
