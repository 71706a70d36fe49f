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
from soil_pyg.models import GRCN
from soil_pyg.models.new_user_rows import LaterItemError
from soil_pyg.typing import ITEM


def make_model(num_modalities: int = 2, **options: Any) -> GRCN:
    torch.manual_seed(0)
    options = {"hidden_channels": 3, "latent_channels": 4, **options}
    return GRCN(NUM_USERS, NUM_ITEMS, in_channels(num_modalities), **options).double()


class Naive(NaiveModel):
    def __init__(self, model: GRCN, data: HeteroData, new: Pairs = ()) -> None:
        super().__init__(model, data, new)
        views = [self.view(m) for m in self.options["in_channels"]]
        confidence = self.table("user_confidence.weight", "item_confidence.weight")
        x = [unit(row) for row in self.table("user_embedding.weight", "item_embedding.weight")]
        total = list(x)
        for _ in range(2):
            x = [
                sum(
                    (
                        max(0, *(a[i, j] * confidence[j, m] for m, (a, _) in enumerate(views)))
                        * x[j]
                        for j in near
                    ),
                    start=np.zeros(3),
                )
                for i, near in enumerate(self.near)
            ]
            total = [a + b for a, b in zip(total, x, strict=True)]
        self.final = np.concatenate([np.stack(total), *(content for _, content in views)], axis=1)

    def table(self, user: str, item: str) -> Matrix:
        users = self.p[user]
        return np.concatenate([users, np.zeros((self.num_new, users.shape[1])), self.p[item]])

    def attention(self, x: list[Matrix], node: int) -> dict[int, float]:
        exps = {j: np.exp(x[node] @ x[j]) for j in self.near[node]}
        return {j: value / sum(exps.values()) for j, value in exps.items()}

    def view(self, modality: str) -> tuple[dict[tuple[int, int], float], Matrix]:
        p, items = self.p, self.data[ITEM][f"x_{modality}"].numpy()
        weight, bias = (p[f"projections.{modality}.{part}"] for part in ("weight", "bias"))
        mapped = [weight @ x + bias for x in items]
        users = [*p[f"preference.{modality}.weight"], *np.zeros((self.num_new, 4))]
        x = [*map(unit, users), *(unit(np.where(z > 0, z, 0.01 * z)) for z in mapped)]
        for _ in range(self.options["num_routings"] if self.options["routing"] == "users" else 0):
            for user in range(self.num_users):
                gathered = [a * x[j] for j, a in self.attention(x, user).items()]
                x[user] = unit(sum(gathered, start=x[user]))
        weights, content = {}, []
        for node in range(len(x)):
            near = self.attention(x, node)
            weights |= {(node, j): a for j, a in near.items()}
            content.append(sum((a * x[j] for j, a in near.items()), start=x[node]))
        return weights, np.stack(content)

    def loss(self) -> dict[str, float]:
        p, bpr, reg = self.p, 0.0, 0.0
        for user, *items in zip(*(part.tolist() for part in BATCH), strict=True):
            positive, negative = (self.final[user] @ self.final[NUM_USERS + i] for i in items)
            bpr += np.log1p(np.exp(negative - positive)) / 3
            for item in items:
                own, other = p["user_embedding.weight"][user], p["item_embedding.weight"][item]
                reg += (own**2 + other**2).mean() / 6
            for modality in self.options["in_channels"]:
                reg += (p[f"preference.{modality}.weight"][user] ** 2).mean() / 3
        weight, terms = self.options["reg"], {}
        if self.options["extra_regulariser"]:
            terms["reg_preference"] = weight * (p["preference.image.weight"] ** 2).mean()
        return {"bpr": bpr, "reg": weight * reg, **terms}


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("routing", "num_routings"), [("users", 2), ("users", 0), ("none", 2)])
def test_equals_the_definition(num_modalities: int, routing: str, num_routings: int) -> None:
    data = make_data(GRCN, num_modalities)
    options = {"routing": routing, "num_routings": num_routings, "reg": 0.3}
    model = make_model(num_modalities, **options, extra_regulariser=num_modalities == 2)
    naive = Naive(model, data)
    np.testing.assert_allclose(torch.cat(model(data)).detach(), naive.final, rtol=1e-9)
    found = {name: term.item() for name, term in model.loss(data, BATCH).items()}
    assert found == pytest.approx(naive.loss(), rel=1e-9)


def test_new_users_are_propagated_to() -> None:
    data, model, new = make_data(GRCN, 2), make_model(), ((0, 1), (0, 2), (1, 3))
    args = data, GRCN.graph_transform, model(data)[1], torch.tensor(new).t(), 2
    naive = Naive(model, data, new)
    np.testing.assert_allclose(
        model.embed_new_users(*args).detach(), naive.final[NUM_USERS : NUM_USERS + 2], rtol=1e-9
    )
    with pytest.raises(LaterItemError, match=rf"'edge_index' .* {NUM_ITEMS},"):
        model.embed_new_users(*args[:3], torch.tensor([[0], [NUM_ITEMS]]), 1)


test_wrong_arguments = wrong_arguments("GRCN")
test_contract = keeps_contract("grcn")
