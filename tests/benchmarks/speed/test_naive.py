import random
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.speed import naive
from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.typing import INTERACTS, Triplets, modalities_of

OPTIONS = {"k": 4, "k_i": 3, "k_a": 2}
SIZES = {"image": 12, "text": 7}
NUM_USERS, NUM_ITEMS = 40, 30
BATCH = Triplets(
    torch.tensor([4, 0, 4, 8, 39]), torch.tensor([1, 7, 1, 4, 9]), torch.tensor([3, 2, 0, 5, 8])
)
MakeData = Callable[..., HeteroData]


def run_epoch(
    model: naive.NaiveSOIL,
    optimizer: torch.optim.Optimizer,
    data: HeteroData,
    rng: random.Random,
    batch_size: int = 2048,
) -> tuple[float, dict[str, float], dict[str, float]]:
    """Trains one epoch and returns the loss and the metrics of both splits."""
    loss = naive.train_epoch(model, optimizer, data, rng, batch_size)
    return loss, naive.evaluate(model, data, "val"), naive.evaluate(model, data, "test")


def make_data(
    random_data: MakeData, sizes: dict[str, int] = SIZES, shift: float = 0.01
) -> HeteroData:
    data = random_data(NUM_USERS, NUM_ITEMS)
    generator = torch.Generator().manual_seed(0)
    for modality, size in sizes.items():
        data["item"][f"x_{modality}"] = torch.rand(NUM_ITEMS, size, generator=generator) + shift
    return without_ties(data)


def without_ties(data: HeteroData) -> HeteroData:
    """Leaves one item to users with equal entries of S_a on both sides of the cut, as the naive
    program keeps any of them.
    """
    attractiveness = torch.ones(NUM_ITEMS, NUM_ITEMS)
    for modality in modalities_of(data):
        c = torch.nn.functional.normalize(data["item"][f"x_{modality}"])
        attractiveness *= c @ c.t()
    user, item = data[INTERACTS].edge_index
    keep = torch.ones_like(user, dtype=torch.bool)
    for u in range(NUM_USERS):
        history = (user == u).nonzero().view(-1)
        pool = attractiveness[item[history]].flatten().sort(descending=True).values
        taken = OPTIONS["k_a"] + history.numel()
        if pool[taken - 1] - pool[taken] < 1e-5:
            keep[history[1:]] = False
    assert NUM_USERS < keep.sum() < keep.numel()
    data[INTERACTS].edge_index = data[INTERACTS].edge_index[:, keep]
    return data


@pytest.fixture(params=[SIZES, {"audio": 9}], ids=["two modalities", "one modality"])
def data(request: pytest.FixtureRequest, random_data: MakeData) -> HeteroData:
    return make_data(random_data, request.param)


def make_models(data: HeteroData, **options: float) -> tuple[naive.NaiveSOIL, SOIL]:
    torch.manual_seed(0)
    model = naive.NaiveSOIL(data, naive.graphs(data, **OPTIONS), hidden_channels=8, **options)
    sizes = {modality: x.size(1) for modality, x in model.features.items()}
    ours = SOIL.released(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=8, **options)
    ours.load_state_dict(model.state_dict())
    return model, ours


def full(adj: Tensor) -> Tensor:
    block = adj.to_dense().t()
    zeros = torch.zeros(NUM_USERS, NUM_USERS), torch.zeros(NUM_ITEMS, NUM_ITEMS)
    return torch.cat([torch.cat([zeros[0], block], 1), torch.cat([block.t(), zeros[1]], 1)])


@pytest.mark.parametrize("shift", [0.01, -0.4], ids=["positive", "some negative"])
@pytest.mark.parametrize("sizes", [SIZES, {"audio": 9}], ids=["two modalities", "one modality"])
def test_graphs_are_those_of_the_released_profile(
    random_data: MakeData, sizes: dict[str, int], shift: float
) -> None:
    data = make_data(random_data, sizes, shift)
    modalities = modalities_of(data)
    found = naive.graphs(data, **OPTIONS)
    expected = SOIL.graph_transform("released", **OPTIONS)(data)
    torch.testing.assert_close(
        found["user_item"].to_dense(), full(expected[USER_ITEM].adjacency), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(
        found["aggregation"].to_dense(),
        expected[AGGREGATION].adjacency.to_dense().t(),
        rtol=0,
        atol=1e-6,
    )
    for modality in modalities:
        torch.testing.assert_close(
            found[f"{modality}_item_item"].to_dense(),
            expected[item_item(modality)].adjacency.to_dense(),
            rtol=0,
            atol=1e-6,
        )
    assert len(found) == 2 + len(modalities)
    assert all(matrix.is_sparse and matrix.is_coalesced() for matrix in found.values())


def test_graphs_stop_after_some_users(random_data: MakeData) -> None:
    data = make_data(random_data)
    whole, part, none = (naive.graphs(data, **OPTIONS, num_users=n) for n in (None, 5, 0))
    interactions = data[INTERACTS].edge_index.size(1)
    assert none["aggregation"]._nnz() == interactions
    assert interactions < part["aggregation"]._nnz() < whole["aggregation"]._nnz()
    assert none["text_item_item"]._nnz() == NUM_ITEMS * OPTIONS["k"]
    assert none["text_item_item"]._nnz() < part["text_item_item"]._nnz()


def test_torch_has_nothing_to_warn_of(random_data: MakeData) -> None:
    data = make_data(random_data)
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model, _ = make_models(data)
            run_epoch(model, torch.optim.Adam(model.parameters()), data, random.Random(0))
    finally:
        torch.set_warn_always(False)


def test_graphs_refuse_what_the_definitions_leave_open(random_data: MakeData) -> None:
    data = make_data(random_data)
    data["item"].x_text[3] = 0
    with pytest.raises(ValueError, match=r"every item must have 'text' \(got none for 3\)"):
        naive.graphs(data)
    with pytest.raises(ValueError, match=r"as many users as items \(got 5 and 30\)"):
        naive.graphs(random_data(5, 30))


def test_loss_and_gradients_are_those_of_the_released_profile(data: HeteroData) -> None:
    model, ours = make_models(data, l_ui=0.3, l_ii=0.2)
    expected_terms = ours.loss(SOIL.graph_transform("released", **OPTIONS)(data), BATCH)
    terms = model.loss(BATCH)
    assert terms.keys() == expected_terms.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected_terms[name], rtol=1e-5, atol=1e-6)
    sum(terms.values()).backward()
    sum(expected_terms.values()).backward()
    expected = dict(ours.named_parameters())
    assert [name for name, _ in model.named_parameters()] == list(expected)
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            assert expected[name].grad is None
        else:
            torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-4, atol=1e-6)


def test_forward_is_that_of_the_released_profile(data: HeteroData) -> None:
    model, ours = make_models(data)
    expected = ours(SOIL.graph_transform("released", **OPTIONS)(data))
    for found, embedding in zip(model(), expected, strict=True):
        torch.testing.assert_close(found, embedding, rtol=1e-5, atol=1e-6)


class Embeddings(torch.nn.Module):
    """Returns the same random embeddings with the data and without."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.user = torch.randn(NUM_USERS, 4, generator=generator)
        self.item = torch.randn(NUM_ITEMS, 4, generator=generator)

    def forward(self, data: HeteroData | None = None) -> tuple[Tensor, Tensor]:
        return self.user, self.item


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_is_that_of_the_evaluator(random_data: MakeData, split: str) -> None:
    data = random_data(NUM_USERS, NUM_ITEMS)
    edges = data[INTERACTS]
    edges.test_edge_label_index = edges.test_edge_label_index[:, 4:]
    expected = Evaluator().evaluate(Embeddings(), data, split)
    found = naive.evaluate(Embeddings(), data, split, batch_size=7)
    assert found == pytest.approx(expected, abs=1e-6)
    assert 0 < found["recall@5"] < 1


def test_triples_are_all_interactions_with_valid_negatives(random_data: MakeData) -> None:
    data = random_data(NUM_USERS, NUM_ITEMS)
    pairs = data[INTERACTS].edge_index.t().tolist()
    seen = {item for _, item in pairs}
    triples = naive.sample_triplets(data, random.Random(0))
    drawn = torch.stack([triples.user, triples.positive], dim=1).tolist()
    assert drawn != pairs
    assert sorted(drawn) == sorted(pairs)
    negatives = torch.stack([triples.user, triples.negative], dim=1).tolist()
    assert not [pair for pair in negatives if pair in pairs]
    assert {item for _, item in negatives} == seen


def test_an_epoch_lowers_the_loss_and_ends_with_both_evaluations(random_data: MakeData) -> None:
    data = make_data(random_data)
    model, _ = make_models(data)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    rng = random.Random(0)
    first = naive.train_epoch(model, optimizer, data, rng, batch_size=32)
    second, val, test = run_epoch(model, optimizer, data, rng, batch_size=32)
    assert second < first
    assert val == naive.evaluate(model, data, "val")
    assert test == naive.evaluate(model, data, "test")


def test_an_epoch_can_be_cut_short(random_data: MakeData) -> None:
    data = make_data(random_data)
    model, _ = make_models(data)
    before = model.user_embedding.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    losses = [
        naive.train_epoch(model, optimizer, data, random.Random(0), 32, num_steps=n)
        for n in (1, None)
    ]
    assert losses[0] != losses[1]
    torch.testing.assert_close(model.user_embedding.weight, before, rtol=0, atol=0)
