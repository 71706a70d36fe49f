import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import BM3
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS = 5, 6, 4
SIZES = {"image": 5, "text": 3, "audio": 4}
# User 4 and item 5 have no interactions.
EDGE_INDEX = torch.tensor([[0, 0, 0, 1, 1, 2, 3, 3], [0, 1, 2, 1, 3, 3, 0, 4]])
BATCH = Triplets(torch.tensor([2, 0, 2, 3]), torch.tensor([3, 1, 3, 4]), torch.tensor([0, 4, 1, 5]))


def in_channels(num_modalities: int) -> dict[str, int]:
    return dict(list(SIZES.items())[:num_modalities])


def make_data(sizes: dict[str, int] = SIZES) -> HeteroData:
    """Random features in double precision; item 3 lacks the first modality."""
    generator = torch.Generator().manual_seed(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for name, size in sizes.items():
        x = torch.randn(NUM_ITEMS, size, generator=generator, dtype=torch.float64)
        data["item"][f"x_{name}"] = x
    data["item"][f"x_{next(iter(sizes))}"][3] = 0
    data[INTERACTS].edge_index = EDGE_INDEX
    return BM3.graph_transform()(data)


def make_model(sizes: dict[str, int] = SIZES, **options: float) -> BM3:
    """A model in double precision whose trained features have left the features."""
    torch.manual_seed(0)
    model = BM3(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=CHANNELS, **options).double()
    for name in sizes:
        torch.nn.init.normal_(model.features[name].offset.weight)
    return model


def identity(x: Tensor) -> Tensor:
    return x


class Dense:
    """The model with a dense matrix and loops over the batch, from leaf tensors of its own.

    Partners are computed first, as numbers, so that no gradient can reach them.
    """

    def __init__(self, model: BM3, data: HeteroData) -> None:
        self.options, self.data = model.options, data
        self.weight = {
            name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()
        }
        size = NUM_USERS + NUM_ITEMS
        self.matrix = torch.zeros(size, size, dtype=torch.float64)
        for user, item in EDGE_INDEX.t().tolist():
            self.matrix[user, NUM_USERS + item] = self.matrix[NUM_USERS + item, user] = 1
        degree = self.matrix.sum(1)
        for i, j in self.matrix.nonzero().tolist():
            self.matrix[i, j] = 1 / math.sqrt(degree[i] * degree[j])

    def embeddings(self) -> tuple[Tensor, Tensor]:
        user, item = self.weight["user_embedding.weight"], self.weight["item_embedding.weight"]
        layers = [torch.cat([user, item])]
        for _ in range(self.options["num_layers"]):
            layers.append(self.matrix @ layers[-1])
        out = sum(layers) / len(layers)
        return out[:NUM_USERS], out[NUM_USERS:] + item

    def projected(self, modality: str) -> Tensor:
        offset = self.weight[f"features.{modality}.offset.weight"]
        x = self.data["item"][f"x_{modality}"] + offset
        return (
            x @ self.weight[f"project.{modality}.weight"].t()
            + self.weight[f"project.{modality}.bias"]
        )

    def predict(self, x: Tensor) -> Tensor:
        return self.weight["predictor.weight"] @ x + self.weight["predictor.bias"]

    def distance(self, x: Tensor, partner: list[float]) -> Tensor:
        a, b = self.predict(x), torch.tensor(partner, dtype=torch.float64)
        return 1 - (a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt()

    def loss(
        self, batch: Triplets, disturb: Callable[[Tensor], Tensor] = identity
    ) -> dict[str, Tensor]:
        user, item = self.embeddings()
        views = [self.projected(modality) for modality in self.options["in_channels"]]
        fixed_user, fixed_item = disturb(user).tolist(), disturb(item).tolist()
        fixed_views = [disturb(view).tolist() for view in views]
        terms = dict.fromkeys(("reconstruction", "alignment", "masking"), torch.zeros(()).double())
        pairs = list(zip(batch.user.tolist(), batch.positive.tolist(), strict=True))
        for u, i in pairs:
            there, back = (
                self.distance(user[u], fixed_item[i]),
                self.distance(item[i], fixed_user[u]),
            )
            terms["reconstruction"] = terms["reconstruction"] + (there + back) / len(pairs)
            for view, fixed in zip(views, fixed_views, strict=True):
                scale = self.options["cl_weight"] / len(pairs)
                aligned = self.distance(view[i], fixed_item[i])
                terms["alignment"] = terms["alignment"] + scale * aligned
                terms["masking"] = terms["masking"] + scale * self.distance(view[i], fixed[i])
        norms = (user * user).sum().sqrt() + (item * item).sum().sqrt()
        return {**terms, "reg": self.options["reg"] * norms / NUM_ITEMS}


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("num_layers", [0, 1, 2])
def test_equals_the_dense_model(num_modalities: int, num_layers: int) -> None:
    sizes = in_channels(num_modalities)
    data = make_data(sizes)
    model = make_model(sizes, num_layers=num_layers, cl_weight=0.7, reg=0.3).eval()
    dense = Dense(model, data)
    for ours, expected in zip(model(data), dense.embeddings(), strict=True):
        predicted = torch.stack([dense.predict(x) for x in expected])
        torch.testing.assert_close(ours, predicted, rtol=1e-6, atol=1e-7)

    terms, expected_terms = model.loss(data, BATCH), dense.loss(BATCH)
    assert list(terms) == ["reconstruction", "alignment", "masking", "reg"]
    torch.testing.assert_close(terms, expected_terms, rtol=1e-6, atol=1e-7)
    for name, term in terms.items():
        grads = torch.autograd.grad(
            term, list(model.parameters()), retain_graph=True, allow_unused=True
        )
        expected_grads = torch.autograd.grad(
            expected_terms[name], list(dense.weight.values()), retain_graph=True, allow_unused=True
        )
        for key, ours, expected in zip(dense.weight, grads, expected_grads, strict=True):
            assert (ours is None) == (expected is None), (name, key)
            if ours is not None:
                torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)


def test_partners_are_disturbed_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = torch.tensor([0.0, 1.0, 2.0, 0.5], dtype=torch.float64)
    calls = []

    def fake(x: Tensor, p: float, training: bool) -> Tensor:
        assert not x.requires_grad
        calls.append((p, training))
        return x * mask if training else x

    monkeypatch.setattr(F, "dropout", fake)
    data, model = make_data(), make_model(dropout=0.3)
    for training, disturb in ((True, mask.mul), (False, identity)):
        calls.clear()
        expected = Dense(model, data).loss(BATCH, disturb)
        terms = model.train(training).loss(data, BATCH)
        torch.testing.assert_close(terms, expected, rtol=1e-6, atol=1e-7)
        assert set(calls) == {(0.3, training)}


def total(model: BM3, data: HeteroData, seed: int) -> float:
    torch.manual_seed(seed)
    return sum(model.loss(data, BATCH).values()).item()


def test_dropout_is_drawn_in_training_only() -> None:
    data, model = make_data(), make_model()
    in_training = [total(model.train(), data, seed) for seed in (0, 1, 0)]
    assert in_training[0] == in_training[2] != in_training[1]
    in_evaluation = [total(model.eval(), data, seed) for seed in (0, 1)]
    assert in_evaluation[0] == in_evaluation[1]
    assert total(make_model(dropout=0.0).train(), data, 0) == in_evaluation[0]


def test_negative_items_do_not_matter() -> None:
    data, model = make_data(), make_model().eval()
    other = BATCH._replace(negative=torch.tensor([5, 5, 5, 5]))
    assert model.loss(data, BATCH) == model.loss(data, other)


def test_partners_of_zeros_have_finite_gradients() -> None:
    data, model = make_data(), make_model()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.eye_(model.predictor.weight)
    terms = model.loss(data, BATCH)
    sum(terms.values()).backward()
    assert all(term.isfinite() for term in terms.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_modalities_may_have_any_name() -> None:
    sizes, plain = {"text.bert": 3, "type": 4, "keys": 2}, {"a": 3, "b": 4, "c": 2}
    data, model = make_data(sizes), make_model(sizes).eval()
    terms = model.loss(data, BATCH)
    assert terms == make_model(plain).eval().loss(make_data(plain), BATCH)
    for kind, size in (("user", NUM_USERS), ("item", NUM_ITEMS)):
        data[kind].n_id = torch.arange(size)
    torch.testing.assert_close(TrainingLoss(model, partitioned=True).terms(data, BATCH), terms)


def test_parameters_with_a_row_a_node() -> None:
    assert make_model().node_parameters() == {
        "user_embedding.weight": "user",
        "item_embedding.weight": "item",
        "features.image.offset.weight": "item",
        "features.text.offset.weight": "item",
        "features.audio.offset.weight": "item",
    }


def test_initial_parameters() -> None:
    torch.manual_seed(0)
    model = BM3(600, 400, {"image": 300, "text": 200}, hidden_channels=200)
    for size, embedding in [(600, model.user_embedding), (400, model.item_embedding)]:
        bound = math.sqrt(6 / (size + 200))
        assert 0.99 * bound < embedding.weight.abs().max() <= bound
    linears = [model.predictor, model.project["image"], model.project["text"]]
    for size, linear in zip((200, 300, 200), linears, strict=True):
        std = math.sqrt(2 / (size + 200))
        assert linear.weight.std().item() == pytest.approx(std, rel=0.02)
        assert linear.weight.abs().max() > 3 * std
        assert 0 < linear.bias.abs().max() <= 1 / math.sqrt(size)
    for name in ("image", "text"):
        assert model.features[name].offset.weight.eq(0).all()


def test_repr() -> None:
    assert str(BM3(3, 4, {"image": 5, "text": 6}, hidden_channels=8)) == (
        "BM3(\n"
        "  (user_embedding): Embedding(3, 8)\n"
        "  (item_embedding): Embedding(4, 8)\n"
        "  (features): ModuleDict(\n"
        "    (image): TrainedFeatures(4, 5)\n"
        "    (text): TrainedFeatures(4, 6)\n"
        "  )\n"
        "  (project): ModuleDict(\n"
        "    (image): FeatureProjection(5, 8)\n"
        "    (text): FeatureProjection(6, 8)\n"
        "  )\n"
        "  (predictor): Linear(in_features=8, out_features=8, bias=True)\n"
        "  (propagation): LightPropagation(num_layers=1)\n"
        ")"
    )


test_wrong_arguments = wrong_arguments("BM3")
test_contract = keeps_contract("bm3")
