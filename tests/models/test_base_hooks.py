"""What a model does that defines no hook of its own."""

import pytest
import torch
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData

from soil_pyg import models
from soil_pyg.models import Recommender
from soil_pyg.nn import Adjacency, ModalityEncoder, TrainedFeatures
from soil_pyg.testing import small_data
from soil_pyg.typing import Triplets


class Tables(Recommender):
    """Trains tables under the usual names, and others."""

    def __init__(self, num_users: int, num_items: int, in_channels: dict[str, int]) -> None:
        super().__init__(num_users, num_items, in_channels)
        self.user_embedding = Embedding(num_users, 2)
        self.item_embedding = Embedding(num_items, 2)
        self.other = Embedding(num_items, 2)
        self.text = TrainedFeatures(num_items, 3)
        self.encoder = ModalityEncoder(num_users, 3, 2)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return self.user_embedding.weight, self.item_embedding.weight


def test_names_of_tables() -> None:
    assert Tables(9, 7, {"text": 3}).node_parameters() == {
        "user_embedding.weight": "user",
        "item_embedding.weight": "item",
        "text.offset.weight": "item",
        "encoder.preference.weight": "user",
    }


def test_features_have_the_precision_of_the_parameters() -> None:
    data, model = small_data({"text": 3}), Tables(9, 7, {"text": 3})
    assert model.item_features(data, "text") is data["item"].x_text
    assert model.double().item_features(data, "text").equal(data["item"].x_text.double())
    for other in (Tables(9, 7, {"text": 2}), Tables(9, 8, {"text": 3})):
        with pytest.raises(ValueError, match=r"\(got "):
            other.item_features(data, "text")


def test_hooks_that_a_model_lacks() -> None:
    model, data, graphs = Tables(2, 3, {"text": 3}), HeteroData(), Tables.graph_transform
    for call in (
        lambda: model.loss(data, Triplets(*torch.zeros(3, 1, dtype=torch.long))),
        lambda: model.loss_tables(data, torch.tensor([0])),
    ):
        with pytest.raises(NotImplementedError, match="Tables must define 'loss'"):
            call()
    with pytest.raises(ValueError, match=r"'explain'.* Tables .*'decompose'"):
        model.decompose(data, graphs)
    item_emb = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [9.0, 9.0]])
    new_users = model.embed_new_users(data, graphs, item_emb, torch.tensor([[0, 0], [0, 2]]), 1)
    assert new_users.tolist() == [[3.0, 4.0]]
    # The fourth item came later, so that it is the neighbour of none.
    near = Adjacency.from_edge_index(torch.tensor([[1, 2], [0, 0]]), size=(3, 1))
    new_items = model.embed_new_items(data, graphs, item_emb, {}, {"text": near})
    assert new_items.tolist() == [[4.0, 5.0]]
    with pytest.raises(ValueError, match=r"Tables cannot embed new users.*'new_user_embedder'"):
        model.new_user_embedder(data, graphs, item_emb.to_sparse())
    with pytest.raises(ValueError, match=r"Tables cannot embed new items.*'embed_new_items'"):
        model.embed_new_items(data, graphs, item_emb.to_sparse(), {}, {"text": near})


@pytest.mark.parametrize("channels", [{}, None])
def test_a_multimodal_model_has_a_modality(channels: dict[str, int] | None) -> None:
    with pytest.raises(ValueError, match=r"'in_channels'.*\(got none\)"):
        models.VBPR(2, 3, channels)
