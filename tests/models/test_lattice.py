import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import keeps_contract, splits_batches
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import LATTICE
from soil_pyg.models.graphs import similar
from soil_pyg.training.subgraph_sampler import SubgraphSampler
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

NUM_USERS, NUM_ITEMS, K = 9, 8, 3
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))
Matrix = np.ndarray


def make_data(sizes: dict[str, int] = SIZES, negative: str = "drop") -> HeteroData:
    """Random data in double precision; item 5 has no modality, item 2 lacks the first."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in sizes.items():
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.3
        x[[5, 2] if modality == next(iter(sizes)) else [5]] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[:, 6] = False
    interactions[3] = False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return LATTICE.graph_transform(k=K, negative=negative)(data)


def make_model(sizes: dict[str, int] = SIZES, **options: Any) -> LATTICE:
    """A model in double precision that was trained, as far as its parameters tell."""
    torch.manual_seed(0)
    options = {"hidden_channels": 3, "feature_channels": 4, "k": K, **options}
    model = LATTICE(NUM_USERS, NUM_ITEMS, sizes, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def sym(w: Matrix) -> Matrix:
    degree, out = w.sum(1), np.zeros_like(w)
    for i, j in zip(*np.nonzero(w), strict=True):
        out[i, j] = w[i, j] / np.sqrt(degree[i] * degree[j])
    return out


def nearest(x: Matrix, has: Matrix, negative: str) -> Matrix:
    """The k largest cosines of each item that has the modality."""
    out = np.zeros((len(x), len(x)))
    for i in np.flatnonzero(has):
        cosine = {
            j: x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j])
            for j in np.flatnonzero(has).tolist()
        }
        for j in sorted(cosine, key=lambda j: (-cosine[j], j))[:K]:
            if negative == "keep" or cosine[j] > 0:
                out[i, j] = cosine[j]
    return out


class Dense:
    """The model with dense matrices and loops."""

    def __init__(self, model: LATTICE, data: HeteroData) -> None:
        options = self.options = model.options
        weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        share = np.exp(weight["modality_weight"])
        share /= share.sum()
        learned = original = 0.0
        for modality, w in zip(options["in_channels"], share, strict=True):
            given = data[ITEM][f"x_{modality}"].numpy()
            has = np.abs(given).sum(1) > 0
            x = given + weight[f"features.{modality}.offset.weight"]
            x = x @ weight[f"projections.{modality}.weight"].T
            x = x + weight[f"projections.{modality}.bias"]
            learned = learned + w * nearest(x, has, options["negative"])
            original = original + w * sym(nearest(given, has, options["negative"]))
        c = options["original_weight"]
        self.matrix = (1 - c) * sym(learned) + c * original
        step = np.eye(NUM_USERS + NUM_ITEMS)
        for user, item in data[INTERACTS].edge_index.t().tolist():
            step[user, NUM_USERS + item] = step[NUM_USERS + item, user] = 1
        step /= step.sum(1, keepdims=True)
        e = np.concatenate([weight["user_embedding.weight"], weight["item_embedding.weight"]])
        layers = [e]
        for _ in range(options["num_layers"]):
            layers.append(step @ layers[-1])
        self.user, item = np.split(sum(layers) / len(layers), [NUM_USERS])
        h = weight["item_embedding.weight"]
        for _ in range(options["num_item_layers"]):
            h = self.matrix @ h
        norm = np.linalg.norm(h, axis=1, keepdims=True)
        self.item = item + h / np.where(norm > 0, norm, 1)

    def loss(self, batch: Triplets) -> dict[str, float]:
        bpr = norm = 0.0
        for user, positive, negative in zip(*(part.tolist() for part in batch), strict=True):
            u, i, j = self.user[user], self.item[positive], self.item[negative]
            bpr += np.log(1 + np.exp(u @ j - u @ i)) / len(batch.user)
            norm += (u @ u + i @ i + j @ j) / 2 / len(batch.user)
        return {"bpr": bpr, "reg": self.options["reg"] * norm}


@pytest.mark.parametrize("negative", ["drop", "keep"])
@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers"), [(2, 1), (3, 2), (0, 0)])
def test_equals_the_dense_model(
    negative: str, num_modalities: int, num_layers: int, num_item_layers: int
) -> None:
    sizes = dict(list(SIZES.items())[:num_modalities])
    data = make_data(sizes, negative)
    layers = {"num_layers": num_layers, "num_item_layers": num_item_layers}
    model = make_model(sizes, negative=negative, original_weight=0.3, reg=0.7, **layers)
    dense = Dense(model, data)
    with torch.no_grad():
        user_emb, item_emb = model(data)
        terms = model.loss(data, BATCH)
    np.testing.assert_allclose(user_emb, dense.user, rtol=1e-9)
    # The graph of the given features is held in single precision.
    np.testing.assert_allclose(item_emb, dense.item, rtol=1e-5, atol=1e-6)
    losses = {name: term.item() for name, term in terms.items()}
    assert losses == pytest.approx(dense.loss(BATCH), rel=1e-5)


def test_an_item_without_a_modality_has_no_neighbours_by_it() -> None:
    data, model = make_data(), make_model()
    learned, _ = model.item_graph(data)
    matrices = [learned.to_dense(), *(data[similar(m)].adjacency.to_dense() for m in SIZES)]
    for matrix in matrices:
        assert matrix[5].count_nonzero() == matrix[:, 5].count_nonzero() == 0
    assert [int(matrix[2].count_nonzero()) > 0 for matrix in matrices] == [True, False, True, True]
    only = make_model({"image": 5})
    learned, _ = only.item_graph(make_data({"image": 5}))
    assert learned.to_dense()[2].count_nonzero() == 0


def test_items_without_any_neighbour_have_finite_gradients() -> None:
    data, model = make_data(), make_model()
    batch = Triplets(torch.tensor([0, 3]), torch.tensor([5, 5]), torch.tensor([5, 6]))
    sum(model.loss(data, batch).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    _, item_emb = model(data)
    assert item_emb.isfinite().all()


def test_the_graph_is_learned_in_the_first_batch_of_an_epoch() -> None:
    data, model = make_data(), make_model()
    tables = {"user_embedding.weight", "item_embedding.weight"}
    losses, reached = [], []
    for is_new in (True, False, False, True):
        if is_new:
            model.on_epoch_start(data)
        model.zero_grad()
        loss = sum(model.loss(data, BATCH).values())
        loss.backward()
        losses.append(loss.item())
        reached.append({name for name, p in model.named_parameters() if p.grad is not None})
        with torch.no_grad():
            model(data)
            model.projections["image"].weight += torch.randn_like(model.projections["image"].weight)
    every = {name for name, _ in model.named_parameters()}
    assert reached == [every, tables, tables, every]
    assert losses[0] == losses[1] == losses[2] != losses[3]


def test_the_graph_belongs_to_its_data() -> None:
    data, model = make_data(), make_model()
    nodes = {USER: torch.arange(NUM_USERS), ITEM: torch.arange(NUM_ITEMS)}
    part = SubgraphSampler(data).sample(nodes)
    terms = [model.loss(x, BATCH) for x in (data, part)]
    torch.testing.assert_close(*terms)
    (grad,) = torch.autograd.grad(sum(terms[1].values()), [model.modality_weight])
    assert grad.ne(0).any()
    # Batches of several partitions take turns.
    for x in (part, data, part):
        term = sum(model.loss(x, BATCH).values())
        (grad,) = torch.autograd.grad(term, [model.modality_weight], allow_unused=True)
        assert grad is None
    assert len(model._kept) == 2
    del part, x
    assert len(model._kept) == 1


def test_the_graph_follows_from_the_parameters() -> None:
    data, model, other = make_data(), make_model(), make_model()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += 0.2
    model.loss(data, BATCH)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        torch.testing.assert_close(copied.loss(data, BATCH), model.loss(data, BATCH))
    model.load_state_dict(other.state_dict())
    torch.testing.assert_close(model.loss(data, BATCH), other.loss(data, BATCH))


def test_a_loss_without_gradients_keeps_no_graph() -> None:
    data, model = make_data(), make_model()
    with torch.no_grad():
        model.loss(data, BATCH)
    model.eval().loss(data, BATCH)
    (grad,) = torch.autograd.grad(
        sum(model.train().loss(data, BATCH).values()), [model.modality_weight]
    )
    assert grad.ne(0).any()


def test_the_single_modality_weighs_one() -> None:
    data, model = make_data({"image": 5}), make_model({"image": 5})
    before = model(data)[1]
    with torch.no_grad():
        model.modality_weight += 3
    assert model(data)[1].equal(before)
    sum(model.loss(data, BATCH).values()).backward()
    assert model.modality_weight.grad is None


def test_modalities_may_have_any_name() -> None:
    sizes = {"text.bert": 3, "type": 4}
    data, model = make_data(sizes), make_model(sizes)
    assert model(data)[1].isfinite().all()
    offsets = set(model.node_parameters()) - {"user_embedding.weight", "item_embedding.weight"}
    assert len(offsets) == 2
    assert all(model.get_parameter(name).size(0) == NUM_ITEMS for name in offsets)


@pytest.mark.parametrize("num_partitions", [1, 3])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training(
    random_data: Callable[..., HeteroData], num_partitions: int, precision: Any
) -> None:
    data = random_data()
    torch.manual_seed(0)
    data[ITEM].x_image, data[ITEM].x_text = torch.randn(40, 5), torch.randn(40, 3)
    data = LATTICE.graph_transform(k=4)(data)
    model = LATTICE(30, 40, {"image": 5, "text": 3}, hidden_channels=8, k=4)
    trainer = Trainer(
        lr=0.05,
        batch_size=32,
        epochs=8,
        num_partitions=num_partitions,
        precision=precision,
        accelerator="cpu",
        progress=False,
    )
    history = trainer.fit(model, data).history
    assert history[-1]["loss"]["bpr"] < 0.8 * history[0]["loss"]["bpr"]
    assert model.features["image"].offset.weight.ne(0).any()
    assert model.modality_weight.ne(0.5).any()


def test_initial_values() -> None:
    model = LATTICE(50, 40, {"image": 4, "text": 2}, hidden_channels=100)
    for size, embedding in [(50, model.user_embedding), (40, model.item_embedding)]:
        bound = (6 / (size + 100)) ** 0.5
        assert 0.99 * bound < embedding.weight.abs().max() <= bound
    assert model.modality_weight.tolist() == [0.5, 0.5]
    assert model.features["image"].offset.weight.count_nonzero() == 0
    assert model.projections["text"].weight.size() == (64, 2)


def test_repr() -> None:
    lines = str(make_model({"image": 5})).splitlines()
    assert lines[0] == "LATTICE("
    for line in [
        "  (learned_graph): LearnedGraph(k=3, negative='drop')",
        "  (propagation): MeanPropagation(num_layers=2)",
        "    (image): FeatureProjection(5, 4)",
    ]:
        assert line in lines


test_wrong_arguments = wrong_arguments("LATTICE")
test_contract = keeps_contract("lattice")
test_split_batches = splits_batches("lattice")
