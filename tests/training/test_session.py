import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Adam
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.models import BPR
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.batches_per_step import adam_options
from soil_pyg.training.row_adam import RowAdam
from soil_pyg.training.session import Session
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import INTERACTS

OpenSession = Callable[..., Session]


class Noisy(BPR):
    """Keeps a random number, and the state that it finds at the start of an epoch."""

    def on_epoch_start(self, data: HeteroData) -> None:
        self.found = self.training, self.epoch, torch.rand(1).item()


def add_epoch(session: Session) -> Any:
    """Takes a step, keeps the weights as the best ones and ends the epoch."""
    optimizer = session.make_optimizer(0.1, 0.0)
    for parameter in session.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    result, val = session.run.result, {"recall@5": 0.5}
    result.epochs = 1
    result.history.append({"epoch": 1, "loss": {"bpr": 1.0}, "val": val})
    session.run.keep_best(session.model, val)
    session.end_epoch(optimizer)
    return optimizer


def weights(session: Session) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in session.model.parameters()]


def is_equal(found: list[Tensor], expected: list[Tensor]) -> bool:
    return all(map(torch.equal, found, expected))


def test_the_model_returns_to_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    data, moves = HeteroData(), []
    data[INTERACTS].edge_index = torch.empty(2, 0, device="meta")
    monkeypatch.setattr(BPR, "to", lambda self, device: moves.append(str(device)))
    others = dict.fromkeys(("ranks", "module", "loader", "run", "evaluator", "progress"))
    session = Session(model=BPR(2, 3), data=data, **others)
    with session.on_data_device():
        assert moves == ["meta"]
    assert moves == ["meta", "cpu"]
    tables: Any = object()
    with replace(session, tables=tables).on_data_device():
        assert moves == ["meta", "cpu"]


@pytest.mark.parametrize(("num_partitions", "kind"), [(1, Adam), (2, RowAdam)])
@pytest.mark.parametrize("size", [1, 4])
def test_optimizer(open_session: OpenSession, num_partitions: int, kind: type, size: int) -> None:
    session = open_session(num_partitions=num_partitions, batches_per_step=size)
    session.model.user_embedding.weight.requires_grad_(False)
    optimizer = session.make_optimizer(0.1, 0.25)
    assert isinstance(optimizer, kind)
    (group,) = optimizer.param_groups
    assert group["params"] == [session.model.item_embedding.weight]
    expected = {**adam_options(0.1, size), "weight_decay": 0.25}
    assert {name: group[name] for name in expected} == expected
    assert kind is RowAdam or group["fused"]
    session.model.requires_grad_(False)
    assert session.make_optimizer(0.1, 0.25) is None
    with pytest.raises(FrozenInstanceError):
        session.batches_per_step = 2  # type: ignore[misc]


def test_an_epoch_starts_from_its_seed_and_number(
    open_session: OpenSession, data: HeteroData
) -> None:
    session = open_session(batches_per_step=4, model_class=Noisy)
    optimizer = session.make_optimizer(0.1, 0.0)
    numbers = []
    for seed, epoch in ((5, 2), (5, 3), (6, 2), (5, 2)):
        session.run.result.epochs = epoch
        session.model.eval()
        session.start_epoch(optimizer, seed, 0.1, 0.5)
        is_training, known, number = session.model.found
        assert (is_training, known) == (True, epoch)
        numbers.append((number, torch.rand(1).item()))
        assert optimizer.param_groups[0]["lr"] == pytest.approx(2 * 0.1 * 0.5, rel=1e-12)
        triplets = TripletLoader(data, 32)
        triplets.set_epoch(epoch)
        for (whole, batch), expected in zip(session.loader, triplets, strict=True):
            assert whole is data
            assert is_equal(list(batch), list(expected))
    assert numbers[0] == numbers[3]
    assert len(set(numbers)) == 3


@pytest.mark.parametrize("num_partitions", [1, 2])
def test_processes_draw_alike(open_session: OpenSession, num_partitions: int) -> None:
    session = open_session(num_partitions=num_partitions, model_class=Noisy)
    optimizer = session.make_optimizer(0.1, 0.0)
    of_start, of_steps = set(), set()
    for rank in range(3):
        ranks: Any = SimpleNamespace(rank=rank)
        replace(session, ranks=ranks).start_epoch(optimizer, 5, 0.1, 1.0)
        of_start.add(session.model.found[-1])
        of_steps.add(torch.rand(1).item())
    assert len(of_start) == 1
    assert len(of_steps) == 1


@pytest.mark.parametrize(
    ("num_partitions", "num_processes", "is_split"),
    [(1, 1, False), (1, 2, True), (2, 1, False), (2, 2, False)],
)
def test_loss(
    open_session: OpenSession, num_partitions: int, num_processes: int, is_split: bool
) -> None:
    session = open_session(num_partitions=num_partitions)
    ranks: Any = SimpleNamespace(size=num_processes)
    loss = replace(session, ranks=ranks).make_loss(compile=False)
    assert (loss.model, loss.is_split) == (session.model, is_split)
    terms = loss.terms(*next(iter(session.loader)))
    assert list(terms) == ["bpr", "reg"]
    sum(terms.values()).backward()
    assert session.model.item_embedding.weight.grad.is_sparse == (num_partitions > 1)


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_is_timed(open_session: OpenSession, data: HeteroData, split: str) -> None:
    session = open_session()
    expected = Evaluator([5]).evaluate(session.model, data, split)
    assert session.evaluate(split) == expected
    seconds = session.run.result.seconds
    assert 0 == seconds["train"] < seconds["evaluate"] < seconds["total"]


@pytest.mark.parametrize("rank", [0, 1])
def test_the_best_weights_are_loaded_and_shared(open_session: OpenSession, rank: int) -> None:
    session, shared = open_session(), []
    session.run.keep_best(session.model, {})
    best = weights(session)
    torch.nn.init.zeros_(session.model.user_embedding.weight)
    ranks: Any = SimpleNamespace(rank=rank)
    ranks.share_state = lambda model, *others, **without: shared.append((model, others, without))
    for tables in (None, SimpleNamespace(node_type={"user_embedding.weight": "user"})):
        replace(session, ranks=ranks, tables=tables).restore(None)
    assert shared[1:] == [(session.model, (), {"without": {"user_embedding.weight": "user"}})]
    assert shared[0] == (session.model, (None,), {})
    replace(session, ranks=ranks).load_best()
    assert shared[2:] == [(session.model, (), {})]
    # The others receive what the first one loads.
    assert is_equal(weights(session), best) == (rank == 0)


def test_an_epoch_is_restored(open_session: OpenSession, tmp_path: Path) -> None:
    session = open_session(tmp_path)
    moments = add_epoch(session).state_dict()["state"]
    session.run.store()
    resumed = open_session(tmp_path)
    resumed.restore(None)
    assert not is_equal(weights(resumed), weights(session))
    optimizer = resumed.make_optimizer(0.1, 0.0)
    resumed.restore(optimizer)
    assert is_equal(weights(resumed), weights(session))
    for index, state in optimizer.state_dict()["state"].items():
        assert {k: v.tolist() for k, v in state.items()} == {
            k: v.tolist() for k, v in moments[index].items()
        }
    assert resumed.run.result.val == {"recall@5": 0.5}


@pytest.fixture
def interrupted(open_session: OpenSession, tmp_path: Path) -> tuple[Session, list[Tensor]]:
    """A session whose weights have changed since its only epoch, with those of the epoch."""
    session = open_session(tmp_path)
    add_epoch(session)
    best = weights(session)
    torch.nn.init.zeros_(session.model.user_embedding.weight)
    assert not any(tmp_path.iterdir())
    return session, best


def test_an_interruption_stores_the_last_epoch(
    interrupted: tuple[Session, list[Tensor]], open_session: OpenSession, tmp_path: Path
) -> None:
    session, best = interrupted
    with pytest.raises(KeyboardInterrupt) as found, session.stored_on_failure("folder"):
        raise KeyboardInterrupt
    assert re.search("epoch 1.*'folder'", found.value.args[0])
    assert is_equal(weights(session), best)
    stored = soil_pyg.load(tmp_path)
    assert stored.run["finished"] is False
    assert is_equal([stored.user_emb, stored.item_emb], best)
    assert open_session(tmp_path).run.result.epochs == 1


def test_an_interruption_before_the_first_epoch_stores_nothing(
    open_session: OpenSession, tmp_path: Path
) -> None:
    session = open_session(tmp_path)
    with pytest.raises(KeyboardInterrupt) as found, session.stored_on_failure(tmp_path):
        raise KeyboardInterrupt
    assert found.value.args == ()
    assert not any(tmp_path.iterdir())


def test_a_lost_process_stores_the_last_epoch(
    interrupted: tuple[Session, list[Tensor]], tmp_path: Path
) -> None:
    session, _ = interrupted
    for error in (RuntimeError("broken"), ConnectionError("lost")):
        assert not any(tmp_path.iterdir())
        with pytest.raises(type(error)) as found, session.stored_on_failure(tmp_path):
            raise error
        assert found.value is error
    assert (tmp_path / "state.safetensors").exists()


@pytest.mark.parametrize("finished", [True, False])
def test_the_model_is_stored_with_its_embeddings(
    open_session: OpenSession, tmp_path: Path, finished: bool
) -> None:
    session = open_session(tmp_path)
    add_epoch(session)
    session.store_model(finished)
    stored = soil_pyg.load(tmp_path)
    assert stored.run["finished"] is finished
    assert is_equal([stored.user_emb, stored.item_emb], weights(session))
