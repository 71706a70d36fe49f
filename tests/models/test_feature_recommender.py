import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.feature_recommender import FeatureRecommender
from soil_pyg.typing import Triplets

X = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


class Plain(FeatureRecommender):
    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return self.tables

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {}


def make_data() -> HeteroData:
    data = HeteroData()
    data["item"].x_image = X
    return data


def test_features_start_at_the_given_ones_and_are_trained() -> None:
    model, data = Plain(2, 3, {"image": 2}), make_data()
    model.reset_parameters()
    assert model.trained_features(data, "image").equal(X)
    model.trained_features(data, "image").sum().backward()
    offset = model.features["image"].offset.weight
    assert offset.grad is not None
    assert offset.grad.equal(torch.ones(3, 2))
    assert model.node_parameters()["features.image.offset.weight"] == "item"


def test_reset_draws_the_embeddings_before_it_resets_the_features() -> None:
    model, data = Plain(2, 3, {"image": 2}), make_data()
    torch.manual_seed(0)
    model.reset_parameters()
    first = [table.detach().clone() for table in model.tables]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    torch.manual_seed(0)
    model.reset_parameters()
    assert all(a.equal(b) for a, b in zip(first, model.tables, strict=True))
    assert model.trained_features(data, "image").equal(X)


def test_features_are_required() -> None:
    with pytest.raises(ValueError, match=r"'in_channels'.*\(got none\)"):
        Plain(2, 3)
