from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import BPR
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.runs import training_run
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import Triplets

OPTIONS: dict[str, Any] = {"epochs": 4, "batch_size": 64, "lr": 0.05, "progress": False}


class Recording(BPR):
    """Keeps the item table of each batch."""

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        tables.append(self.item_embedding.weight.detach().clone())
        return super().loss(data, batch)


tables: list[Tensor] = []


@pytest.fixture
def data() -> HeteroData:
    return SyntheticMultimodal(60, 40)[0]


def train(data: HeteroData, **options: Any) -> tuple[BPR, Any]:
    tables.clear()
    torch.manual_seed(0)
    model = Recording(num_users=60, num_items=40)
    return model, Trainer(**OPTIONS, **options).fit(model, data)


def test_the_weights_of_the_last_batch_are_validated_and_kept(data: HeteroData) -> None:
    model, result = train(data, evaluate="last_forward")
    per_epoch = len(tables) // result.epochs
    last = tables[result.best_epoch * per_epoch - 1]
    assert model.item_embedding.weight.equal(last)
    assert Evaluator().evaluate(model, data, "val") == result.val
    assert Evaluator().evaluate(model, data, "test") == result.test
    released = list(tables)
    # The training itself is the same.
    _, current = train(data)
    assert len(released) == len(tables)
    assert all(torch.equal(a, b) for a, b in zip(released, tables, strict=True))
    assert [epoch["loss"] for epoch in current.history] == [
        epoch["loss"] for epoch in result.history
    ]
    assert [epoch["val"] for epoch in current.history] != [epoch["val"] for epoch in result.history]


@pytest.mark.parametrize("in_memory", [0, 2**28])
def test_an_interrupted_run_gives_the_same_result(
    data: HeteroData, tmp_path: Path, in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "IN_MEMORY", in_memory)
    whole = BPR(num_users=60, num_items=40)
    start = {name: value.clone() for name, value in whole.state_dict().items()}
    options = {**OPTIONS, "evaluate": "last_forward"}
    expected = Trainer(**options).fit(whole, data)
    model = BPR(num_users=60, num_items=40)
    model.load_state_dict(start)

    def stop(result: Any) -> None:
        if result.epochs == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(**options).fit(model, data, out=tmp_path / "run", on_epoch=stop)
    found = Trainer(**options).fit(model, data, out=tmp_path / "run")
    assert found.test == expected.test
    assert model.item_embedding.weight.equal(whole.item_embedding.weight)
    assert soil_pyg.load(tmp_path / "run").item_emb.equal(whole.item_embedding.weight)


def test_partitions_have_no_last_batch_of_the_whole_graph() -> None:
    with pytest.raises(ValueError, match=r"'evaluate'.*last_forward.*num_partitions=2"):
        Trainer(evaluate="last_forward", num_partitions=2)
