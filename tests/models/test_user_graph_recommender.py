from collections.abc import Callable

import pytest
import torch
from preference_oracle import BATCH, make_data, make_model
from torch_geometric.data import HeteroData

from soil_pyg.models import COHESION, DRAGON, DualGNN
from soil_pyg.training.trainer import Trainer
from soil_pyg.transforms.user_graph import PADDED, USER_USER

EVERY = pytest.mark.parametrize("kind", [COHESION, DRAGON, DualGNN])


@EVERY
def test_copies_are_for_training_only(kind: type) -> None:
    data = make_data(kind, 2, user_k=20)
    drawn, quiet = (make_model(kind, 2, pad=pad) for pad in ("draw", "none"))
    with torch.no_grad():
        whole, embeddings = quiet.loss(data, BATCH), quiet(data)
        for model in (drawn, quiet):
            assert model.loss(data, BATCH) == whole
        quiet.on_epoch_start(data)
        assert PADDED not in data.edge_types
        drawn.on_epoch_start(data)
        assert not data[PADDED].adjacency.weight.equal(data[USER_USER].adjacency.weight)
        assert drawn.loss(data, BATCH)["bpr"] != whole["bpr"]
        assert quiet.loss(data, BATCH) == whole
        for mode in (True, False):
            found = drawn.train(mode)(data)
            assert all(a.equal(b) for a, b in zip(found, embeddings, strict=True))
        assert drawn.loss(data, BATCH) == whole


@EVERY
def test_users_of_a_batch_get_the_embeddings_of_all(kind: type) -> None:
    data, model = make_data(kind, 2, user_k=3), make_model(kind, 2)
    users = torch.tensor([7, 0, 3])
    with torch.no_grad():
        torch.testing.assert_close(model.embed(data, users)[0], model(data)[0][users])


@EVERY
@pytest.mark.parametrize("num_partitions", [1, 2])
def test_training_with_copies(
    random_data: Callable[..., HeteroData], kind: type, num_partitions: int
) -> None:
    data = random_data()
    torch.manual_seed(0)
    data["item"].x_image, data["item"].x_text = torch.randn(40, 5), torch.randn(40, 3)
    data = kind.graph_transform(user_k=35)(data)
    model = kind(30, 40, {"image": 5, "text": 3}, hidden_channels=8, pad="draw")
    trainer = Trainer(
        lr=0.05,
        batch_size=32,
        epochs=8,
        num_partitions=num_partitions,
        accelerator="cpu",
        progress=False,
    )
    history = trainer.fit(model, data).history
    assert history[-1]["loss"]["bpr"] < 0.8 * history[0]["loss"]["bpr"]
    assert PADDED not in data.edge_types


def test_an_epoch_needs_the_graph() -> None:
    data = make_data(DualGNN, 1)
    del data[USER_USER]
    with pytest.raises(ValueError, match="'graph_transform"):
        make_model(DualGNN, 1, pad="draw").on_epoch_start(data)
