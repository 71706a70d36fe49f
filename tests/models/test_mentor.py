from itertools import combinations

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from preference_oracle import BATCH, Matrix, Oracle, Pair, make_data, make_model
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import MENTOR

WEIGHTS = {"reg": 0.7, "align_weight": 0.3, "mask_weight_f": 0.9, "mask_weight_g": 0.4, "tau": 0.5}


class Dense(Oracle):
    """The model without noise and dropout."""

    def __init__(self, model: MENTOR, data: HeteroData) -> None:
        super().__init__(model, data)
        self.user, self.item = self.join(self.views())

    def join(self, views: list[Pair], weighted: bool = True) -> Pair:
        users = self.weigh(views) if weighted else [user for user, _ in views]
        item = np.concatenate([item for _, item in views], axis=1)
        item = self.with_similar_items(item, self.options["num_item_layers"])
        return np.concatenate(users, axis=1), item

    def align(self) -> float:
        """All matrices are built in full, with their equal blocks."""
        size = len(self.names)
        guide = self.encode("id_encoder", self.weight["item_embedding.weight"])
        copied = [self.join([view] * size, weighted=False) for view in [guide, *self.views()]]
        nodes = [np.concatenate(x) for x in [(self.user, self.item), *copied]]
        moments = [(x.mean(), x.var(ddof=1)) for x in nodes]
        return sum(abs(a[n] - b[n]) for a, b in combinations(moments, 2) for n in range(2))

    def mask_f(self) -> float:
        weight, bias = self.weight["predictor.weight"], self.weight["predictor.bias"]
        return sum(
            1 - np.mean([cosine(row, weight @ row + bias) for row in x])
            for x in (self.user, self.item)
        )

    def mask_g(self) -> float:
        first, second = (self.join(self.views(f"noisy_encoders.{n}")) for n in range(2))
        return sum(self.contrast(a, b) for a, b in zip(first, second, strict=True))

    def contrast(self, query: Matrix, candidate: Matrix) -> float:
        losses = []
        for n, row in enumerate(query):
            ratio = [np.exp(cosine(row, other) / self.options["tau"]) for other in candidate]
            losses.append(-np.log(ratio[n] / sum(ratio)))
        return float(np.mean(losses))


def cosine(a: Matrix, b: Matrix) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("num_item_layers", [0, 1, 2])
def test_equals_the_dense_model(num_modalities: int, num_item_layers: int) -> None:
    data = make_data(MENTOR, num_modalities, k=3)
    model = make_model(MENTOR, num_modalities, num_item_layers=num_item_layers, **WEIGHTS)
    dense = Dense(model.eval(), data)
    with torch.no_grad():
        user_emb, item_emb = model(data)
        terms = {name: float(term) for name, term in model.loss(data, BATCH).items()}
    # The graph is held in single precision.
    np.testing.assert_allclose(user_emb, dense.user, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(item_emb, dense.item, rtol=1e-5, atol=1e-7)
    expected = {
        "bpr": dense.bpr(dense.user, dense.item),
        "reg": dense.reg(),
        "align": WEIGHTS["align_weight"] * dense.align(),
        "mask_f": WEIGHTS["mask_weight_f"] * dense.mask_f(),
        "mask_g": WEIGHTS["mask_weight_g"] * dense.mask_g(),
    }
    assert terms == pytest.approx(expected, rel=1e-5)


def losses(model: MENTOR, data: HeteroData, seed: int) -> dict[str, float]:
    torch.manual_seed(seed)
    with torch.no_grad():
        return {name: float(term) for name, term in model.loss(data, BATCH).items()}


@pytest.mark.parametrize(("option", "term"), [("dropout", "mask_f"), ("noise", "mask_g")])
def test_training_draws_dropout_and_noise(option: str, term: str) -> None:
    data = make_data(MENTOR, 2, k=3)
    options = {"dropout": 0.0, "noise": 0.0, option: 0.3}
    model = make_model(MENTOR, 2, **WEIGHTS, **options)
    first, again, other = (losses(model, data, seed) for seed in (0, 0, 1))
    quiet = losses(model.eval(), data, 0)
    assert first == again
    assert {name for name in first if first[name] != other[name]} == {term}
    assert {name for name in first if first[name] != quiet[name]} == {term}


def test_masked_features_may_pass_no_gradient() -> None:
    data = make_data(MENTOR, 2, k=3)
    options = {"dropout": 0.0, "noise": 0.0, **WEIGHTS}
    none, trained = (make_model(MENTOR, 2, mask_gradient=x, **options) for x in ("none", "trained"))
    terms = none.loss(data, BATCH)
    assert not terms["mask_f"].requires_grad
    assert terms["mask_f"].equal(trained.loss(data, BATCH)["mask_f"].detach())
    sum(terms.values()).backward()
    sum(trained.loss(data, BATCH).values()).backward()
    for (name, a), b in zip(none.named_parameters(), trained.parameters(), strict=True):
        assert (a.grad is None) == name.startswith("predictor."), name
        assert b.grad.any(), name


def test_a_contrast_of_weight_zero_is_left_out() -> None:
    data, model = make_data(MENTOR, 1, k=3), make_model(MENTOR, 1, mask_weight_g=0)
    assert list(model.loss(data, BATCH)) == ["bpr", "reg", "align", "mask_f"]


test_wrong_arguments = wrong_arguments("MENTOR")
test_contract = keeps_contract("mentor")
