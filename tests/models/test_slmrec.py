import math

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import SLMRec
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS = 9, 8, 5
SIZES = {"image": 5, "audio": 4, "text": 3, "place": 2}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 5]), torch.tensor([3, 2, 0, 5]))
# The map of the chain after which each modality is compared.
STEPS = {
    1: {"image": 0},
    2: {"image": 0, "text": 2},
    3: {"image": 0, "audio": 1, "text": 2},
    4: {"image": 0, "audio": 1, "text": 2, "place": 3},
}
Matrix = np.ndarray


def sizes_of(num_modalities: int) -> dict[str, int]:
    return {modality: SIZES[modality] for modality in STEPS[num_modalities]}


def make_data(num_modalities: int = 2) -> HeteroData:
    """Random data in double precision; item 5 has no modality, item 2 lacks the first, and item 6
    has no interactions.
    """
    rng = np.random.default_rng(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in sizes_of(num_modalities).items():
        x = 4 * rng.standard_normal((NUM_ITEMS, size))
        x[[5, 2] if modality == "image" else [5]] = 0
        data["item"][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[np.arange(NUM_USERS), rng.integers(NUM_ITEMS, size=NUM_USERS)] = True
    interactions[:, 6] = False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return SLMRec.graph_transform()(data)


def make_model(num_modalities: int = 2, **options: object) -> SLMRec:
    torch.manual_seed(0)
    sizes = sizes_of(num_modalities)
    return SLMRec(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=CHANNELS, **options).double()


class Dense:
    """The model with dense matrices and loops."""

    def __init__(self, model: SLMRec, data: HeteroData) -> None:
        self.options = model.options
        self.weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        matrix = np.zeros((NUM_USERS + NUM_ITEMS,) * 2)
        pairs = data[INTERACTS].edge_index.t().tolist()
        for user, item in pairs:
            user_degree = sum(pair[0] == user for pair in pairs)
            item_degree = sum(pair[1] == item for pair in pairs)
            value = 1 / math.sqrt(user_degree * item_degree)
            matrix[user, NUM_USERS + item] = matrix[NUM_USERS + item, user] = value
        tables = [self.weight["item_embedding.weight"]]
        for modality in self.options["in_channels"]:
            x = data["item"][f"x_{modality}"].numpy()
            norm = np.linalg.norm(x, axis=1, keepdims=True)
            x = np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
            tables.append(self.linear(f"projections.{modality}", x))
        self.views = []
        for table in tables:
            layers = [np.concatenate([self.weight["user_embedding.weight"], table])]
            for _ in range(self.options["num_layers"]):
                layers.append(matrix @ layers[-1])
            self.views.append(sum(layers) / len(layers))
        wide = np.concatenate(self.views, axis=1)
        self.user = self.linear("user_fusion", wide[:NUM_USERS])
        self.item = self.linear("item_fusion", wide[NUM_USERS:])

    def linear(self, name: str, x: Matrix) -> Matrix:
        return x @ self.weight[f"{name}.weight"].T + self.weight[f"{name}.bias"]

    def loss(self, batch: Triplets) -> dict[str, float]:
        users, items = batch.user.numpy(), batch.positive.numpy()
        query, candidate = self.user[users], self.item[items]
        query = query / np.linalg.norm(query, axis=1, keepdims=True)
        candidate = candidate / np.linalg.norm(candidate, axis=1, keepdims=True)
        task = 0.0
        for place, modality in enumerate(self.options["in_channels"], start=1):
            z = self.views[0][NUM_USERS:][items]
            for step in range(STEPS[len(self.options["in_channels"])][modality] + 1):
                z = self.linear(f"chain.{step}", z)
            view = self.views[place][NUM_USERS:][items]
            head = self.linear(f"heads.{modality}", view)
            task += cross_entropy(z, head, self.options["ssl_tau"])
        return {
            "contrast": cross_entropy(query, candidate, self.options["tau"]),
            "fac": self.options["alpha"] * task,
        }


def cross_entropy(query: Matrix, candidate: Matrix, tau: float) -> float:
    out = 0.0
    for b in range(len(query)):
        ratios = [math.exp(float(query[b] @ c) / tau) for c in candidate]
        out -= math.log(ratios[b] / sum(ratios)) / len(query)
    return out


@pytest.mark.parametrize("num_modalities", list(STEPS))
@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_equals_the_dense_model(num_modalities: int, num_layers: int) -> None:
    data = make_data(num_modalities)
    options = {"num_layers": num_layers, "tau": 0.7, "alpha": 0.3, "ssl_tau": 0.4}
    model = make_model(num_modalities, **options)
    dense = Dense(model, data)
    with torch.no_grad():
        user_emb, item_emb = model(data)
        terms = model.loss(data, BATCH)
    # The graph is in single precision.
    np.testing.assert_allclose(user_emb, dense.user, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(item_emb, dense.item, rtol=1e-5, atol=1e-7)
    expected = dense.loss(BATCH)
    assert list(terms) == list(expected)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("num_modalities", "channels"), [(1, [5]), (2, [5, 5, 2]), (3, [5, 5, 2]), (4, [5, 5, 5, 2])]
)
def test_the_chain(num_modalities: int, channels: list[int]) -> None:
    model = make_model(num_modalities)
    assert [step.out_features for step in model.chain] == channels
    heads = {modality: head.out_features for modality, head in model.heads.items()}
    assert heads == {m: channels[step] for m, step in STEPS[num_modalities].items()}


def test_the_order_of_the_modalities_tells_the_chain() -> None:
    model = SLMRec(2, 3, {"text": 4, "image": 5}, hidden_channels=6)
    assert model.compared == ["text", None, "image"]
    assert model.heads["image"].out_features == 3


def test_the_length_of_features_and_the_negatives_do_not_matter() -> None:
    data, model = make_data(), make_model()
    before = *model(data), *model.loss(data, BATCH).values()
    data["item"].x_image = data["item"].x_image * torch.rand(NUM_ITEMS, 1).add(0.5).double()
    after = *model(data), *model.loss(data, BATCH._replace(negative=BATCH.user)).values()
    torch.testing.assert_close(after, before)


def test_initial_parameters() -> None:
    model = SLMRec(50, 40, {"image": 60, "text": 30}, hidden_channels=100)
    weights = [
        model.user_embedding.weight,
        model.item_embedding.weight,
        *(model.get_parameter(f"{name}.weight") for name in ("user_fusion", "heads.text")),
        *(model.get_parameter(f"{name}.weight") for name in ("projections.image", "chain.1")),
    ]
    for weight in weights:
        bound = math.sqrt(6 / sum(weight.size()))
        assert 0.99 * bound < weight.abs().max() <= bound
    assert 0.09 < model.chain[0].bias.abs().max() <= 0.1


def test_repr() -> None:
    assert str(SLMRec(3, 4, {"image": 5, "text": 2}, hidden_channels=6)) == (
        "SLMRec(\n"
        "  (user_embedding): Embedding(3, 6)\n"
        "  (item_embedding): Embedding(4, 6)\n"
        "  (projections): ModuleDict(\n"
        "    (image): FeatureProjection(5, 6)\n"
        "    (text): FeatureProjection(2, 6)\n"
        "  )\n"
        "  (user_fusion): Linear(in_features=18, out_features=6, bias=True)\n"
        "  (item_fusion): Linear(in_features=18, out_features=6, bias=True)\n"
        "  (chain): ModuleList(\n"
        "    (0-1): 2 x Linear(in_features=6, out_features=6, bias=True)\n"
        "    (2): Linear(in_features=6, out_features=3, bias=True)\n"
        "  )\n"
        "  (heads): ModuleDict(\n"
        "    (image): Linear(in_features=6, out_features=6, bias=True)\n"
        "    (text): Linear(in_features=6, out_features=3, bias=True)\n"
        "  )\n"
        "  (propagation): LightPropagation(num_layers=3)\n"
        "  (contrast): InfoNCELoss(tau=0.2, reduction='mean')\n"
        ")"
    )


test_wrong_arguments = wrong_arguments("SLMRec")
test_contract = keeps_contract("slmrec")
