from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR, SOIL, LightGCN, Recommender
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.subgraph_sampler import SubgraphSampler
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import ITEM, USER, Triplets

Case = tuple[HeteroData, Recommender]


class WithBias(BPR):
    """Has one more table of items, which it names."""

    def __init__(self, num_users: int, num_items: int) -> None:
        super().__init__(num_users, num_items, hidden_channels=3)
        self.bias = torch.nn.Parameter(torch.arange(float(num_items)))

    def node_parameters(self) -> dict[str, str]:
        return {**super().node_parameters(), "bias": ITEM}

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {"bias": (self.bias[batch.positive] - 2 * self.bias[batch.negative]).sum()}


class Forgetful(BPR):
    """Has one more table of items, which it does not name."""

    def __init__(self, num_users: int, num_items: int) -> None:
        super().__init__(num_users, num_items)
        self.taste = torch.nn.Embedding(num_items, 2)


@pytest.fixture(params=[(BPR, ""), (LightGCN, ""), (SOIL, "paper"), (SOIL, "released")])
def case(request: pytest.FixtureRequest, random_data: Callable[..., HeteroData]) -> Case:
    """Makes data with its graphs, and a model, in double precision."""
    (model_class, profile), data = request.param, random_data(50)
    torch.manual_seed(0)
    data[ITEM].x_image, data[ITEM].x_text = torch.randn(40, 5), torch.randn(40, 3)
    graphs = {"k": 4, "k_i": 2, "profile": profile} if profile else {}
    data = model_class.graph_transform(**graphs)(data)
    # Double precision tells errors from rounding.
    for edge_type in data.edge_types:
        if "adjacency" in data[edge_type]:
            data[edge_type].adjacency = data[edge_type].adjacency.to(torch.float64)
    for name in ("x_image", "x_text"):
        data[ITEM][name] = data[ITEM][name].double()
    options = model_class.profile_options(profile, model_class) if profile else {}
    model = model_class(50, 40, {"image": 5, "text": 3}, hidden_channels=6, **options)
    return data, model.double()


def gradients(terms: dict[str, Tensor], model: Recommender) -> list[Tensor]:
    total = sum(terms.values(), start=torch.zeros(()))
    grads = torch.autograd.grad(total, list(model.parameters()), allow_unused=True)
    return [g.to_dense() for g in grads if g is not None]


def batch_of(data: HeteroData) -> Triplets:
    return next(iter(PartitionLoader(data, batch_size=50)))[1]


def test_the_partition_of_all_nodes_has_the_loss_of_the_data(case: Case) -> None:
    data, model = case
    nodes = {USER: torch.arange(50), ITEM: torch.arange(40)}
    partition, batch = SubgraphSampler(data).sample(nodes), batch_of(data)
    terms = TrainingLoss(model, partitioned=True).terms(partition, batch)
    expected = model.loss(data, batch)
    torch.testing.assert_close(terms, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        gradients(terms, model), gradients(expected, model), rtol=1e-12, atol=1e-14
    )


class Dense(Adjacency):
    """A dense matrix over all nodes, with another one in place of its transpose."""

    def __init__(self, dense: Tensor, dense_t: Tensor) -> None:
        self.dense, self.dense_t = dense, dense_t
        self.size, self.interactions = tuple(dense.size()), None
        self.is_source = False

    def matmul(self, x: Tensor) -> Tensor:
        return self.dense @ x

    def t(self) -> "Dense":
        return Dense(self.dense_t, self.dense)

    def select_rows(self, index: Tensor) -> "Dense":
        return Dense(self.dense[index], self.dense_t[:, index])


def masked(data: HeteroData, partition: HeteroData) -> HeteroData:
    """Returns the data with all nodes, where edges that leave the partition have weight zero."""
    out = HeteroData({kind: {"num_nodes": data[kind].num_nodes} for kind in (USER, ITEM)})
    out[ITEM].x_image, out[ITEM].x_text = data[ITEM].x_image, data[ITEM].x_text
    is_in = {kind: torch.zeros(data[kind].num_nodes).double() for kind in (USER, ITEM)}
    for kind in is_in:
        is_in[kind][partition[kind].n_id] = 1.0
    for source, relation, target in data.edge_types:
        if "adjacency" in data[source, relation, target]:
            full = data[source, relation, target].adjacency.to_dense()
            kept = full * is_in[target].unsqueeze(1) * is_in[source]
            scaled = [
                k * torch.nan_to_num(f.abs().sum(1) / k.abs().sum(1), posinf=1.0).unsqueeze(1)
                for k, f in [(kept, full), (kept.t(), full.t())]
            ]
            out[source, relation, target].adjacency = Dense(*scaled)
    return out


def test_losses_and_gradients_of_partitions_against_masked_matrices(case: Case) -> None:
    data, model = case
    loss = TrainingLoss(model, partitioned=True)
    for partition, batch in PartitionLoader(data, batch_size=40, num_partitions=3):
        user, item = partition[USER].n_id, partition[ITEM].n_id
        assert user.numel() < 50
        whole = Triplets(user[batch.user], item[batch.positive], item[batch.negative])
        expected = model.loss(masked(data, partition), whole)
        terms = loss.terms(partition, batch)
        torch.testing.assert_close(terms, expected, rtol=1e-6, atol=0)
        grads = gradients(terms, model)
        torch.testing.assert_close(grads, gradients(expected, model), rtol=1e-5, atol=1e-9)
        assert len(grads) >= 2


def test_named_parameters_are_replaced_by_the_rows_of_the_partition(data: HeteroData) -> None:
    model = WithBias(30, 40)
    assert model.node_parameters() == {
        "user_embedding.weight": USER,
        "item_embedding.weight": ITEM,
        "bias": ITEM,
    }
    loss = TrainingLoss(model, partitioned=True)
    grad, total = torch.zeros(40), 0.0
    for partition, batch in PartitionLoader(data, 1000, 0, num_partitions=2):
        term = loss.terms(partition, batch)["bias"]
        item = partition[ITEM].n_id
        assert item.numel() < 40
        positive, negative = item[batch.positive], item[batch.negative]
        assert term.item() == (positive - 2 * negative).sum().item()
        (rows,) = torch.autograd.grad(term, model.bias)
        assert torch.equal(rows.indices()[0], item)
        grad += rows.to_dense()
        total += positive.numel()
    assert grad.sum().item() == -total
    assert torch.equal(model.bias, torch.arange(40.0))


def test_parameters_are_those_of_the_model_afterwards(data: HeteroData) -> None:
    model = BPR(30, 40)
    before = dict(model.named_parameters())
    for partition, batch in PartitionLoader(data, 1000, 0, num_partitions=2):
        TrainingLoss(model, partitioned=True).terms(partition, batch)
    assert all(value is before[name] for name, value in model.named_parameters())


def test_a_table_that_is_not_named_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Forgetful.*'taste\.weight'"):
        TrainingLoss(Forgetful(30, 40), partitioned=True)
    assert TrainingLoss(Forgetful(30, 40)).model is not None


def check_compiled(data: HeteroData, model: Recommender) -> None:
    loss = TrainingLoss(model, compile=True)
    torch._dynamo.reset()
    batches = [batch for _, batch in PartitionLoader(data, batch_size=40)]
    assert len(batches[0].user) != len(batches[-1].user)
    for batch in (batches[0], batches[-1]):
        terms, expected = loss.terms(data, batch), model.loss(data, batch)
        torch.testing.assert_close(terms, expected, rtol=1e-5, atol=0)
        grads = gradients(terms, model)
        torch.testing.assert_close(grads, gradients(expected, model), rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("case", [(LightGCN, ""), (SOIL, "paper")], indirect=True)
def test_compiled_without_code_generation(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    compile, calls = torch.compile, []

    def traced(model: torch.nn.Module, **options: str) -> object:
        calls.append(options)
        return compile(model, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", traced)
    check_compiled(*case)
    assert calls == [{"dynamic": False}]


@pytest.mark.parametrize(
    "device",
    [pytest.param("cpu", marks=pytest.mark.slow), pytest.param("cuda", marks=pytest.mark.gpu)],
)
def test_compiled(case: Case, device: str) -> None:
    check_compiled(*(part.to(device) for part in case))
