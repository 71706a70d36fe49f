import numpy as np
import pytest
import torch
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import BPR, SOIL, LightGCN
from soil_pyg.models.base import Recommender
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS, modalities_of

SIZES = ("num_users", "num_items", "num_communities", "style_size")
SMALL = {"num_users": 600, "num_items": 300, "modalities": {"image": 32, "text": 16}}


def test_sizes_and_splits() -> None:
    data = SyntheticMultimodal()[0]
    assert data["user"].num_nodes == 2000
    assert data["item"].num_nodes == 1000
    assert data["item"].x_image.size() == (1000, 64)
    assert data["item"].x_text.size() == (1000, 32)
    splits = [
        data[INTERACTS].edge_index,
        data[INTERACTS].val_edge_label_index,
        data[INTERACTS].test_edge_label_index,
    ]
    pairs = [tuple(pair) for split in splits for pair in split.t().tolist()]
    assert len(pairs) == len(set(pairs))
    share = splits[0].size(1) / len(pairs)
    assert 0.7 < share < 0.85
    assert 8 < len(pairs) / 2000 < 12


def test_the_same_seed_draws_the_same_data() -> None:
    first, second = SyntheticMultimodal(**SMALL)[0], SyntheticMultimodal(**SMALL)[0]
    assert first.digest == second.digest
    assert torch.equal(first[INTERACTS].edge_index, second[INTERACTS].edge_index)
    assert torch.equal(first["item"].x_image, second["item"].x_image)
    other = SyntheticMultimodal(**SMALL, seed=1)[0]
    assert other.digest != first.digest
    assert not torch.equal(first["item"].x_image, other["item"].x_image)


def test_sizes_may_be_numbers_of_numpy() -> None:
    options = {"num_users": 40, "num_items": 30, "seed": 1, "strength": 0.5}
    kinds = np.int64, np.int32, np.uint8, np.float32
    numpys = {name: kind(options[name]) for name, kind in zip(options, kinds, strict=True)}
    plain, drawn = (SyntheticMultimodal(**given) for given in (options, numpys))
    assert drawn.digest == plain.digest
    assert drawn[0][INTERACTS].edge_index.equal(plain[0][INTERACTS].edge_index)


def test_popularity_falls_as_a_power() -> None:
    data = SyntheticMultimodal(num_users=20_000, num_items=500, strength=0.0)[0]
    count = torch.bincount(data[INTERACTS].edge_index[1], minlength=500).sort(descending=True)[0]
    rank = np.log(1 + np.arange(20, 300))
    slope = np.polyfit(rank, np.log(count[20:300].numpy()), 1)[0]
    assert -1.3 < slope < -0.4


@pytest.mark.parametrize(("strength", "low", "high"), [(0.0, 0.0, 0.1), (0.6, 0.35, 1.0)])
def test_interactions_follow_styles_as_strongly_as_planted(
    strength: float, low: float, high: float
) -> None:
    data = SyntheticMultimodal(strength=strength, noise=0.1)[0]
    x = torch.nn.functional.normalize(data["item"].x_image)
    user, item = data[INTERACTS].edge_index
    follows = []
    for u in range(300):
        items = item[user == u]
        similarity = x[items] @ x[items].t()
        follows += (similarity.fill_diagonal_(0) > 0.8).any(dim=1).tolist()
    assert low <= np.mean(follows) <= high


def test_missing_modalities_are_zero_rows() -> None:
    data = SyntheticMultimodal(**SMALL, missing=0.3)[0]
    for name in ("x_image", "x_text"):
        share = (data["item"][name] == 0).all(dim=1).float().mean().item()
        assert 0.2 < share < 0.4


def test_any_number_of_modalities_and_items() -> None:
    data = SyntheticMultimodal(num_users=3, num_items=40, modalities={}, num_communities=50)[0]
    assert modalities_of(data) == []
    data = SyntheticMultimodal(num_users=50, num_items=9, modalities={"a": 1, "b": 2, "c": 3})[0]
    assert data["item"].x_c.size() == (9, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({name: 0}, rf"'{name}' .* 1 \(got 0\)") for name in SIZES),
        ({"strength": 1.5}, r"'strength' .* 0 and 1 \(got 1.5\)"),
        ({"missing": -0.1}, r"'missing' .* 0 and 1 \(got -0.1\)"),
        ({"modalities": {"image": 0}}, r"'modalities\['image'\]' .* 1 \(got 0\)"),
        ({"interactions_per_user": 2}, r"'interactions_per_user' .* 5 \(got 2\)"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticMultimodal(**options)


def test_repr() -> None:
    assert str(SyntheticMultimodal(**SMALL)) == (
        "SyntheticMultimodal(num_users=600, num_items=300, strength=0.4, seed=0)"
    )


def _recall(model_class: type[Recommender], data: HeteroData, seed: int) -> float:
    seed_everything(seed)
    sizes = {
        "num_users": data["user"].num_nodes,
        "num_items": data["item"].num_nodes,
        "in_channels": {m: data["item"][f"x_{m}"].size(1) for m in SMALL["modalities"]},
    }
    graphs, make = model_class.graph_transform(), model_class
    if model_class is SOIL:
        graphs, make = SOIL.graph_transform(profile="released"), SOIL.released
    trainer = Trainer(lr=5e-3, batch_size=512, epochs=40, patience=10, seed=seed, progress=False)
    return trainer.fit(make(**sizes), graphs(data)).test["recall@20"]


@pytest.mark.slow
def test_planted_interest_orders_the_models_and_without_it_the_advantage_vanishes() -> None:
    recall = {}
    for strength in (0.4, 0.0):
        for model_class in (BPR, LightGCN, SOIL):
            values = [
                _recall(model_class, SyntheticMultimodal(**SMALL, strength=strength, seed=s)[0], s)
                for s in range(2)
            ]
            recall[model_class, strength] = np.mean(values)
    assert recall[BPR, 0.4] < recall[LightGCN, 0.4] < recall[SOIL, 0.4]
    advantage = recall[SOIL, 0.4] - recall[LightGCN, 0.4]
    assert advantage > 0.04
    assert recall[SOIL, 0.0] - recall[LightGCN, 0.0] < 0.25 * advantage
