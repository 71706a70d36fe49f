import math

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import LGMRec
from soil_pyg.models.lgmrec import UNWEIGHTED
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS = 9, 8, 5
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 5]), torch.tensor([3, 2, 0, 5]))
Matrix = np.ndarray


def make_data(sizes: dict[str, int] = SIZES) -> HeteroData:
    """Random data in double precision; item 5 has no modality, item 2 lacks the first; item 6 and
    user 3 have no interactions.
    """
    rng = np.random.default_rng(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in sizes.items():
        x = rng.standard_normal((NUM_ITEMS, size))
        x[[5, 2] if modality == next(iter(sizes)) else [5]] = 0
        data["item"][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[np.arange(NUM_USERS), rng.integers(NUM_ITEMS, size=NUM_USERS)] = True
    interactions[3], interactions[:, 6] = False, False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return LGMRec.graph_transform()(data)


def make_model(sizes: dict[str, int] = SIZES, **options: object) -> LGMRec:
    torch.manual_seed(0)
    options = {"hidden_channels": CHANNELS, **options}
    return LGMRec(NUM_USERS, NUM_ITEMS, sizes, **options).double().eval()


def total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


class Dense:
    """The model with dense matrices and loops."""

    def __init__(self, model: LGMRec, data: HeteroData) -> None:
        self.options = options = model.options
        weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        chosen = np.zeros((NUM_USERS, NUM_ITEMS))
        for user, item in data[INTERACTS].edge_index.t().tolist():
            chosen[user, item] = 1
        matrix = np.zeros((NUM_USERS + NUM_ITEMS,) * 2)
        for user, item in data[INTERACTS].edge_index.t().tolist():
            value = 1 / math.sqrt(chosen[user].sum() * chosen[:, item].sum())
            matrix[user, NUM_USERS + item] = matrix[NUM_USERS + item, user] = value
        layers = [
            np.concatenate([weight["user_embedding.weight"], weight["item_embedding.weight"]])
        ]
        for _ in range(options["num_layers"]):
            layers.append(matrix @ layers[-1])
        self.final = content = sum(layers) / len(layers)
        self.hyper = []
        for modality in options["in_channels"]:
            x = data["item"][f"x_{modality}"].numpy()
            item = x @ weight[f"projections.{modality}_weight"]
            user = chosen @ item / (chosen.sum(1, keepdims=True) + 1e-7)
            view = np.linalg.matrix_power(matrix, options["num_modality_layers"])
            self.final = self.final + unit(view @ np.concatenate([user, item]))
            logits = x @ weight[f"hyperedges.{modality}_weight"]
            of_item, of_user = self.assign(logits), self.assign(chosen @ logits)
            out_i = content[NUM_USERS:]
            for _ in range(options["num_hyper_layers"]):
                out_u = of_user @ of_item.T @ out_i
                out_i = of_item @ of_item.T @ out_i
            self.hyper.append((out_u, out_i))
        sums = [sum(pair[side] for pair in self.hyper) for side in (0, 1)]
        self.final = self.final + options["alpha"] * unit(np.concatenate(sums))

    def assign(self, logits: Matrix) -> Matrix:
        ratio = np.exp(logits / self.options["tau"])
        return ratio / ratio.sum(1, keepdims=True)

    def contrast(self, index: list[int], side: int) -> float:
        first, *others = (unit(pair[side]) for pair in self.hyper)
        out = 0.0
        for other in others:
            for b in index:
                ratios = [math.exp(float(first[b] @ c) / self.options["tau"]) for c in other]
                out -= math.log(ratios[b] / sum(ratios))
        return out

    def loss(self, batch: Triplets) -> dict[str, float]:
        user, positive, negative = (part.tolist() for part in batch)
        query, item = self.final[:NUM_USERS], self.final[NUM_USERS:]
        bpr = 0.0
        for u, i, j in zip(user, positive, negative, strict=True):
            bpr += math.log1p(math.exp(-float(query[u] @ (item[i] - item[j])))) / len(user)
        rows = query[user], item[positive], item[negative]
        reg = sum(math.sqrt(float((x * x).sum())) for x in rows) / len(user)
        terms = {"bpr": bpr, "reg": self.options["reg"] * reg}
        if len(self.hyper) > 1:
            contrast = self.contrast(user, 0) + self.contrast(positive, 1)
            terms["contrast"] = self.options["cl_weight"] * contrast
        return terms


def unit(x: Matrix) -> Matrix:
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(
    ("num_layers", "num_modality_layers", "num_hyper_layers"), [(2, 2, 1), (1, 0, 3), (0, 3, 2)]
)
def test_equals_the_dense_model(
    num_modalities: int, num_layers: int, num_modality_layers: int, num_hyper_layers: int
) -> None:
    sizes = dict(list(SIZES.items())[:num_modalities])
    layers = {
        "num_layers": num_layers,
        "num_modality_layers": num_modality_layers,
        "num_hyper_layers": num_hyper_layers,
    }
    weights = {"alpha": 0.7, "tau": 0.5, "cl_weight": 0.3, "reg": 0.2, "num_hyperedges": 3}
    data, model = make_data(sizes), make_model(sizes, **layers, **weights)
    dense = Dense(model, data)
    with torch.no_grad():
        (user_emb, item_emb), hyper = model.embed(data)
        terms = model.loss(data, BATCH)
    # The normalised graph is in single precision.
    np.testing.assert_allclose(torch.cat([user_emb, item_emb]), dense.final, rtol=1e-5, atol=1e-6)
    for ours, expected in zip(hyper, dense.hyper, strict=True):
        np.testing.assert_allclose(torch.cat(ours), np.concatenate(expected), rtol=1e-5, atol=1e-6)
    expected = dense.loss(BATCH)
    assert list(terms) == list(expected)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_the_first_modality_is_the_query() -> None:
    sizes = {"text": 3, "image": 5, "audio": 4}
    data, terms = make_data(), []
    for order in (SIZES, sizes, {"image": 5, "audio": 4, "text": 3}):
        model = make_model(order, cl_weight=1.0)
        model.load_state_dict(make_model().state_dict())
        terms.append(model.loss(data, BATCH)["contrast"].item())
    assert terms[0] == pytest.approx(terms[2], rel=1e-12)
    assert terms[0] != pytest.approx(terms[1], rel=1e-3)


def test_noise_and_dropout_in_training_only() -> None:
    data, model = make_data(), make_model(cl_weight=1.0)
    expected, still = model(data), total(model.loss(data, BATCH))
    assert total(model.loss(data, BATCH)).equal(still)
    model.train()
    torch.testing.assert_close(model(data), expected, rtol=0, atol=0)
    for options in ({"noise": False}, {"keep_rate": 1.0}):
        other = make_model(cl_weight=1.0, **options).train()
        losses = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            losses.append(total(other.loss(data, BATCH)))
        assert losses[0].equal(losses[1])
        assert not losses[0].equal(losses[2])
        assert not losses[0].equal(still)
    plain = make_model(cl_weight=1.0, noise=False, keep_rate=1.0).train()
    assert total(plain.loss(data, BATCH)).equal(still)


def test_dropout_keeps_a_share_of_the_assignments(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(keep_rate=0.3, noise=False)
    logits = torch.randn(5000, 4, dtype=torch.float64)
    share, expected = model._assign(logits, disturb=True), model._assign(logits, disturb=False)
    kept = share != 0
    assert kept.double().mean().item() == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(share[kept], expected[kept] / 0.3)


def test_noise_chooses_each_hyperedge_as_likely_as_the_logits_say() -> None:
    model = make_model(keep_rate=1.0)
    logits = torch.tensor([0.5, -1.0, 1.2], dtype=torch.float64)
    share = model._assign(logits.expand(20000, 3), disturb=True)
    torch.testing.assert_close(share.sum(1), torch.ones(20000, dtype=torch.float64))
    counts = share.argmax(1).bincount(minlength=3) / 20000
    torch.testing.assert_close(counts.double(), logits.softmax(0), rtol=0, atol=0.02)


def test_assignments_are_no_less_than_single_precision() -> None:
    model = make_model()
    for dtype in (torch.float16, torch.bfloat16):
        share = model._assign(torch.zeros(100000, 4, dtype=dtype), disturb=True)
        assert share.dtype == torch.float32
        assert share.isfinite().all()


def test_users_and_items_without_interactions_or_features() -> None:
    data, model = make_data(), make_model()
    assert data[UNWEIGHTED].adjacency.t().select_rows(torch.tensor([3])).col.numel() == 0
    batch = Triplets(torch.tensor([3, 3]), torch.tensor([5, 6]), torch.tensor([6, 5]))
    loss = total(model.train().loss(data, batch))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    (user, item), hyper = model.embed(data)
    assert user.isfinite().all()
    assert item.isfinite().all()
    # Without features every hyperedge is as near.
    torch.testing.assert_close(hyper[0][1][5], hyper[0][1][2])
    torch.testing.assert_close(hyper[0][0][3], hyper[0][1][5])


def test_nothing_of_the_size_of_users_times_items_or_batch_is_kept() -> None:
    num_users, num_items, size = 400, 300, 350
    data = HeteroData({"user": {"num_nodes": num_users}, "item": {"num_nodes": num_items}})
    data["item"].x_image, data["item"].x_text = torch.rand(num_items, 4), torch.rand(num_items, 3)
    pairs = torch.stack([torch.arange(num_users), torch.arange(num_users) % num_items])
    data[INTERACTS].edge_index = pairs
    data = LGMRec.graph_transform()(data)
    model = LGMRec(num_users, num_items, {"image": 4, "text": 3}, hidden_channels=6)
    sizes: list[int] = []

    def pack(x: Tensor) -> Tensor:
        sizes.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        loss = total(
            model.loss(data, Triplets(*pairs[:, :size], torch.zeros_like(pairs[0, :size])))
        )
    loss.backward()
    assert max(sizes) <= num_users * 6


def test_modalities_may_have_any_name() -> None:
    names = {"type": "image", "text.bert": "text", "_parameters": "audio"}
    data, model = make_data(), make_model()
    other = make_model({new: SIZES[old] for new, old in names.items()})
    for new, old in names.items():
        data["item"][f"x_{new}"] = data["item"][f"x_{old}"]
    other.train().eval()
    expected = *model(data), *model.loss(data, BATCH).values()
    torch.testing.assert_close((*other(data), *other.loss(data, BATCH).values()), expected)


def test_parameters_are_xavier_uniform() -> None:
    model = LGMRec(50, 40, {"image": 60, "text": 30}, hidden_channels=100, num_hyperedges=70)
    sizes = []
    for parameter in model.parameters():
        bound = math.sqrt(6 / sum(parameter.size()))
        assert 0.99 * bound < parameter.abs().max() <= bound
        sizes.append(tuple(parameter.size()))
    assert sizes == [(50, 100), (40, 100), (60, 100), (30, 100), (60, 70), (30, 70)]


def test_repr() -> None:
    model = LGMRec(3, 4, {"image": 5, "text": 2}, hidden_channels=6, num_hyperedges=7)
    assert str(model) == (
        "LGMRec(\n"
        "  (user_embedding): Embedding(3, 6)\n"
        "  (item_embedding): Embedding(4, 6)\n"
        "  (projections): ParameterDict(\n"
        "      (image_weight): Parameter containing: [torch.FloatTensor of size 5x6]\n"
        "      (text_weight): Parameter containing: [torch.FloatTensor of size 2x6]\n"
        "  )\n"
        "  (hyperedges): ParameterDict(\n"
        "      (image_weight): Parameter containing: [torch.FloatTensor of size 5x7]\n"
        "      (text_weight): Parameter containing: [torch.FloatTensor of size 2x7]\n"
        "  )\n"
        "  (propagation): LightPropagation(num_layers=2)\n"
        "  (conv): BipartiteConv()\n"
        "  (bpr_loss): BPRLoss(reduction='mean')\n"
        "  (contrast): InfoNCELoss(tau=0.2, reduction='sum')\n"
        ")"
    )


test_wrong_arguments = wrong_arguments("LGMRec")
test_contract = keeps_contract("lgmrec")
