from typing import Any

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from naive_graph import (
    BATCH,
    NUM_ITEMS,
    NUM_USERS,
    Matrix,
    NaiveModel,
    Pairs,
    in_channels,
    make_data,
    unit,
)
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import MMGCN
from soil_pyg.models.new_user_rows import LaterItemError
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS, ITEM


def make_model(num_modalities: int = 2, **options: Any) -> MMGCN:
    torch.manual_seed(0)
    options = {"hidden_channels": 3, "latent_channels": 5, **options}
    return MMGCN(NUM_USERS, NUM_ITEMS, in_channels(num_modalities), **options).double()


def leaky(x: Matrix) -> Matrix:
    return np.where(x > 0, x, 0.01 * x)


class Naive(NaiveModel):
    def __init__(self, model: MMGCN, data: HeteroData, new: Pairs = ()) -> None:
        super().__init__(model, data, new)
        users = self.extend(self.p["user_embedding.weight"])
        self.identity = np.concatenate([users, self.p["item_embedding.weight"]])
        self.final = np.mean([self.view(m) for m in self.options["in_channels"]], axis=0)

    def extend(self, users: Matrix) -> Matrix:
        return np.concatenate([users, np.tile(users.mean(axis=0), (self.num_new, 1))])

    def view(self, modality: str) -> Matrix:
        p, items = self.p, self.data[ITEM][f"x_{modality}"].numpy()
        if modality == "image":
            items = np.stack([p["compress.weight"] @ x + p["compress.bias"] for x in items])
        users = np.stack([unit(row) for row in p[f"preference.{modality}.weight"]])
        x = [*self.extend(users), *map(unit, items)]
        for layer in range(self.options["num_layers"]):
            x = [self.step(f"layers.{modality}.{layer}", x, node) for node in range(len(x))]
        return np.stack(x)

    def step(self, name: str, x: list[Matrix], node: int) -> Matrix:
        p, near, mean = self.p, self.near[node], np.zeros_like(x[node])
        for other in near:
            mean = mean + p[f"{name}.neighbour.weight"] @ x[other] / len(near)
        own = leaky(p[f"{name}.own.weight"] @ x[node] + p[f"{name}.own.bias"])
        own, mean = own + self.identity[node], leaky(mean)
        weight, bias = p[f"{name}.merge.weight"], p[f"{name}.merge.bias"]
        if self.options["concat"]:
            return leaky(weight @ np.concatenate([mean, own]) + bias)
        return leaky(weight @ mean + bias + own)

    def loss(self) -> dict[str, float]:
        bpr = reg = 0.0
        for user, *items in zip(*(part.tolist() for part in BATCH), strict=True):
            positive, negative = (self.final[user] @ self.final[NUM_USERS + i] for i in items)
            bpr += np.log1p(np.exp(negative - positive)) / 3
            for item in items:
                both = self.identity[user] ** 2 + self.identity[NUM_USERS + item] ** 2
                reg += both.mean() / 6
        preference = (self.p["preference.image.weight"] ** 2).mean()
        weight = self.options["reg"]
        return {"bpr": bpr, "reg": weight * reg, "reg_preference": weight * preference}


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "concat"), [(1, True), (3, True), (2, False)])
def test_equals_the_definition(num_modalities: int, num_layers: int, concat: bool) -> None:
    data = make_data(MMGCN, num_modalities)
    model = make_model(num_modalities, num_layers=num_layers, concat=concat, reg=0.3)
    naive = Naive(model, data)
    np.testing.assert_allclose(torch.cat(model(data)).detach(), naive.final, rtol=1e-9)
    found = {name: term.item() for name, term in model.loss(data, BATCH).items()}
    assert found == pytest.approx(naive.loss(), rel=1e-9)


def test_frozen_preferences_are_never_trained() -> None:
    tables = {"user_embedding.weight", "item_embedding.weight"}
    tables |= {"preference.image.weight", "preference.text.weight"}
    data, model = make_data(MMGCN, 2), make_model(preferences="frozen")
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {name for name, _ in model.named_parameters()} - tables
    terms = model.loss(data, BATCH)
    assert not terms["reg"].requires_grad
    assert not terms["reg_preference"].requires_grad
    before = {name: p.clone() for name, p in model.float().named_parameters()}
    data[INTERACTS].val_edge_label_index = torch.tensor([[0, 1], [2, 2]])
    data[INTERACTS].test_edge_label_index = torch.tensor([[0, 1], [4, 4]])
    for num_partitions in (1, 2):
        trainer = Trainer(
            epochs=1, batch_size=4, num_partitions=num_partitions, accelerator="cpu", progress=False
        )
        trainer.fit(model, data)
    assert {name for name, p in model.named_parameters() if p.equal(before[name])} >= tables
    assert not model.compress.weight.equal(before["compress.weight"])


def test_new_users_are_propagated_to() -> None:
    data, model, new = make_data(MMGCN, 2), make_model(), ((0, 1), (0, 2), (1, 3))
    args = data, MMGCN.graph_transform, model(data)[1], torch.tensor(new).t(), 2
    naive = Naive(model, data, new)
    np.testing.assert_allclose(
        model.embed_new_users(*args).detach(), naive.final[NUM_USERS : NUM_USERS + 2], rtol=1e-9
    )
    with pytest.raises(LaterItemError, match=rf"'edge_index' .* {NUM_ITEMS},"):
        model.embed_new_users(*args[:3], torch.tensor([[0], [NUM_ITEMS]]), 1)


test_wrong_arguments = wrong_arguments("MMGCN")
test_contract = keeps_contract("mmgcn")
