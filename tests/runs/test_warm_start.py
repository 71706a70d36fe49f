from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.models import BPR, MGCN, SOIL, Recommender
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.runs.warm_start import warm_start
from soil_pyg.typing import ITEM, USER

FeaturedData = Callable[..., HeteroData]
RandomRun = Callable[..., TrainedModel]
SIZES = {"image": 5, "text": 4, "audio": 3}


def grown(data: HeteroData) -> HeteroData:
    """Returns nodes without two users and one item, with three new users and two new items, in
    another order.
    """
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
    known = {USER: trained.user_id.tolist(), ITEM: trained.item_id.tolist()}
    for name, parameter in model.named_parameters():
        if name not in of_nodes:
            assert parameter.equal(old[name])
            continue
        ids = known[of_nodes[name]]
        for row, id_ in enumerate(new_data[of_nodes[name]].id.tolist()):
            expected = old[name][ids.index(id_)] if id_ in ids else before[name][row]
            assert parameter[row].equal(expected)
        assert parameter.requires_grad


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


def test_later_users_and_items_of_the_run_are_new(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data(2)
    trained = random_run(data, "soil", k=3)
    items = ["item 1", "item 2", "item 4", "item 9"]
    table = pd.DataFrame({"user": [7, 7, 8, 8], "item": items})
    later = soil_pyg.add_users(trained, data=data, interactions=table)
    features = {"text": np.ones((2, 4), "f4")}
    later = soil_pyg.add_items(later, data, features, ["item 77", "item 78"])
    assert (later.user_id[-2:].tolist(), later.item_id[-2]) == ([7, 8], "item 77")
    new_data = grown(data)
    models = [SOIL.released(31, 26, {"image": 5, "text": 4}, hidden_channels=6) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    # The later run knows the ids of user 7 and item 77, and its parameters lack their rows.
    found = [warm_start(m, new_data, run) for m, run in zip(models, (trained, later), strict=True)]
    assert found == [{"user": 28, "item": 24}] * 2
    for first, second in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert first.equal(second)


def test_runs_of_other_models_and_sizes_change_nothing(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", "released", k=3)
    for model, message in [
        (BPR(30, 25), r"'init'.* BPR \(got SOIL\)"),
        (SOIL.released(30, 25, SIZES, hidden_channels=7), "'init'.*'user_embedding.weight"),
        (SOIL.released(30, 25, SIZES | {"text": 9}, hidden_channels=6), "'init'.*'gates.text"),
    ]:
        before = [p.clone() for p in model.parameters()]
        with pytest.raises(ValueError, match=message):
            warm_start(model, data, trained)
        assert all(a.equal(b) for a, b in zip(before, model.parameters(), strict=True))


class Biased(BPR):
    """Has a parameter of any length that has no row per user or item."""

    def __init__(self, num_users: int, num_items: int, length: int) -> None:
        super().__init__(num_users, num_items, hidden_channels=6)
        self.bias = torch.nn.Parameter(torch.zeros(length))


def test_other_parameters_need_the_same_length(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data()
    trained = replace(random_run(data, "bpr"), model=Biased(30, 25, 3))
    with pytest.raises(ValueError, match=r"'init'.*'bias'.*\[3\].*\[4\]"):
        warm_start(Biased(30, 25, 4), data, trained)
