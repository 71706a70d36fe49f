"""What the processes tell each other, with threads in place of processes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.ranks import Ranks, is_first
from soil_pyg.typing import INTERACTS
from threads import Threads

SIZE = 3
MakeRanks = Callable[[int], Ranks]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    return Threads(SIZE, monkeypatch)


@pytest.fixture
def make_ranks(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> MakeRanks:
    # As under 'fabric run', where the processes have been joined.
    monkeypatch.setenv("LT_CLI_USED", "1")

    def make(rank: int) -> Ranks:
        fabric: Any = SimpleNamespace(global_rank=rank, world_size=SIZE)
        fabric.device = torch.device("cpu")
        fabric.broadcast = lambda value: threads.exchange(value)[0]
        return Ranks(fabric)

    return make


def caught(function: Callable[[], object]) -> tuple[type, str]:
    try:
        return type(None), str(function())
    except Exception as error:
        return type(error), str(error)


def test_values_of_the_first_and_of_each(threads: Threads, make_ranks: MakeRanks) -> None:
    def call(rank: int) -> list[object]:
        ranks = make_ranks(rank)
        return [ranks.share(f"of {rank}"), ranks.first(lambda: rank), ranks.each(lambda: 10 * rank)]

    results = threads.run(call)
    assert results == [["of 0", first, [0, 10, 20]] for first in (0, None, None)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((FloatingPointError("x"), FloatingPointError), (UnicodeError("x"), ValueError)),
        *((ModuleNotFoundError("x"), ImportError), (FileNotFoundError("x"), OSError)),
        (LookupError("x"), RuntimeError),
    ],
)
@pytest.mark.parametrize("method", ["first", "each"])
def test_an_error_is_raised_everywhere(
    threads: Threads, make_ranks: MakeRanks, error: Exception, kind: type, method: str
) -> None:
    failing = 0 if method == "first" else 1

    def fail(rank: int) -> int:
        if rank == failing:
            raise error
        return rank

    results = threads.run(
        lambda rank: caught(lambda: getattr(make_ranks(rank), method)(lambda: fail(rank)))
    )
    assert results == [(type(error) if rank == failing else kind, "x") for rank in range(SIZE)]


def make_parameters(rank: int) -> list[Parameter]:
    """Gradients that are dense, sparse, dense on one process only, and on none."""
    parameters = [Parameter(torch.zeros(4, 2)) for _ in range(4)]
    if rank != 1:
        parameters[0].grad = torch.full((4, 2), 10.0**rank)
        # Row 3 occurs twice.
        index, values = torch.tensor([[3, rank, 3]]), torch.ones(3, 2) * 10.0**rank
        parameters[1].grad = torch.sparse_coo_tensor(index, values, (4, 2))
    if rank == 1:
        parameters[2].grad = torch.ones(4, 2)
    frozen = Parameter(torch.zeros(1), requires_grad=False)
    return [*parameters, frozen]


def test_gradients_are_added_up(threads: Threads, make_ranks: MakeRanks) -> None:
    def add(rank: int) -> tuple[list[Tensor | None], float]:
        ranks, parameters = make_ranks(rank), make_parameters(rank)
        ranks.add_gradients(parameters)
        ranks.count_sent(6)
        ranks.add_gradients(parameters[3:])
        return [parameter.grad for parameter in parameters], ranks.bytes_per_step()

    sparse = torch.zeros(4, 2)
    sparse[0], sparse[2], sparse[3] = 1, 100, 202
    for rank, (grads, num_bytes) in enumerate(threads.run(add)):
        assert grads[0].equal(torch.full((4, 2), 101.0))
        assert grads[1].is_coalesced()
        assert grads[1].to_dense().equal(sparse)
        assert grads[2].equal(torch.ones(4, 2))
        assert grads[3] is grads[4] is None
        # Two dense gradients, and two sparse rows with an index each; two steps.
        rows = 0 if rank == 1 else 2
        assert num_bytes == (2 * 4 * 2 * 4 + rows * (8 + 2 * 4) + 6) / 2


def test_one_process_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LT_CLI_USED", "1")
    fabric: Any = SimpleNamespace(global_rank=0, world_size=1)
    ranks, parameters = Ranks(fabric), make_parameters(0)
    ranks.add_gradients(parameters)
    ranks.count_sent(6)
    assert parameters[1].grad.is_coalesced()
    assert ranks.bytes_per_step() == 0
    error = RuntimeError("connection reset")
    assert ranks.explain(error) is error
    assert is_first()


def test_the_state_of_the_first_is_shared(threads: Threads, make_ranks: MakeRanks) -> None:
    def share(rank: int) -> tuple[list[Tensor], list[dict[str, float]]]:
        model = BPR(3, 4, hidden_channels=2)
        with torch.no_grad():
            for number, parameter in enumerate(model.parameters()):
                parameter.fill_(10 * rank + number)
        optimizer = torch.optim.Adam(model.parameters())
        if rank == 0:
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
        ranks = make_ranks(rank)
        ranks.share_state(model, optimizer)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(rank)
        ranks.share_state(model, without=["item_embedding.weight"])
        states = optimizer.state_dict()["state"].values()
        return list(model.parameters()), [{k: v.sum().item() for k, v in s.items()} for s in states]

    (first, states), *others = threads.run(share)
    assert [set(state) for state in states] == [{"step", "exp_avg", "exp_avg_sq"}] * 2
    assert states[0]["exp_avg"] > 0
    for rank, (parameters, found) in enumerate(others, 1):
        assert found == states
        assert parameters[0].equal(first[0])
        assert parameters[1].equal(first[1] + rank)


@pytest.mark.parametrize("num_pairs", [2, 30])
def test_users_are_ranked_by_shares(
    data: HeteroData, threads: Threads, make_ranks: MakeRanks, num_pairs: int
) -> None:
    label = data[INTERACTS].test_edge_label_index
    data[INTERACTS].test_edge_label_index = label[:, :num_pairs]
    model, evaluator = BPR(30, 40, hidden_channels=4), Evaluator([3, 5])
    expected = evaluator.evaluate(model, data, "test")
    results = threads.run(lambda rank: make_ranks(rank).evaluate(evaluator, model, data, "test"))
    assert results == [pytest.approx(expected, rel=1e-12)] * SIZE


def test_a_lost_process_is_named(make_ranks: MakeRanks) -> None:
    ranks = make_ranks(2)
    other, lost = RuntimeError("shape mismatch"), RuntimeError("Gloo: Connection closed by peer")
    assert ranks.explain(other) is other
    with pytest.raises(RuntimeError) as found, ranks.explained():
        raise other
    assert found.value is other
    with pytest.raises(ConnectionError, match="Process 2 of 3 ") as found, ranks.explained():
        raise lost
    assert found.value.__cause__ is lost
