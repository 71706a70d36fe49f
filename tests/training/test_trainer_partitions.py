"""Training on partitions, at lower precision and compiled."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR, SOIL, LightGCN
from soil_pyg.ops.sampled_adjacency import SampledAdjacency
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.trainer import Trainer, TrainResult
from soil_pyg.typing import INTERACTS, ITEM, Triplets

Numbers = Callable[[TrainResult], dict[str, Any]]
OPTIONS: dict[str, Any] = {"lr": 0.05, "batch_size": 32, "epochs": 3, "progress": False}


@pytest.fixture
def data(data: HeteroData) -> HeteroData:
    torch.manual_seed(0)
    data[ITEM].x_image, data[ITEM].x_text = torch.randn(40, 5), torch.randn(40, 3)
    return SOIL.graph_transform(k=4, k_i=2)(LightGCN.graph_transform()(data))


def lightgcn() -> LightGCN:
    torch.manual_seed(0)
    return LightGCN(30, 40, hidden_channels=4)


def soil(**options: Any) -> SOIL:
    torch.manual_seed(0)
    return SOIL(30, 40, {"image": 5, "text": 3}, hidden_channels=8, **options)


def test_partitions_are_trained_and_the_whole_data_is_evaluated(data: HeteroData) -> None:
    model = lightgcn()
    trainer = Trainer(**{**OPTIONS, "epochs": 30, "patience": 30}, num_partitions=3)
    result = trainer.fit(model, data)
    assert result.history[-1]["loss"]["bpr"] < 0.8 * result.history[0]["loss"]["bpr"]
    assert Evaluator().evaluate(model, data, "val") == result.val
    assert Evaluator().evaluate(model, data, "test") == result.test
    assert not isinstance(data[INTERACTS].adjacency, SampledAdjacency)


def test_each_interaction_is_trained_once_per_epoch(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, pairs = SOIL.loss, []

    def record(self: SOIL, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        pair = torch.stack([data["user"].n_id[batch.user], data[ITEM].n_id[batch.positive]])
        pairs.extend(tuple(p) for p in pair.t().tolist())
        assert self.user_embedding.weight.size(0) == data["user"].num_nodes < 30
        return loss(self, data, batch)

    monkeypatch.setattr(SOIL, "loss", record)
    Trainer(**{**OPTIONS, "epochs": 1}, num_partitions=4).fit(soil(), data)
    assert sorted(pairs) == [tuple(p) for p in data[INTERACTS].edge_index.t().tolist()]


def test_the_seed_determines_the_numbers(data: HeteroData, numbers: Numbers) -> None:
    trainers = [Trainer(**OPTIONS, num_partitions=3, seed=seed) for seed in (1, 1, 2)]
    results = [numbers(trainer.fit(soil(), data)) for trainer in trainers]
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_ctrl_c_and_resume(
    data: HeteroData, tmp_path: Path, interrupt: Callable[..., None], numbers: Numbers
) -> None:
    options = {**OPTIONS, "epochs": 4, "num_partitions": 3}
    expected = Trainer(**options).fit(lightgcn(), data)
    # In the middle of the third epoch.
    interrupt(1 + 5 * len(PartitionLoader(data, 32, 0, 3)) // 2, LightGCN)
    with pytest.raises(KeyboardInterrupt):
        Trainer(**options).fit(lightgcn(), data, out=tmp_path)
    for other, difference in [
        ({"num_partitions": 2}, r"trainer\.num_partitions: 3 there, 2 now"),
        ({"num_partitions": 1}, r"trainer\.num_partitions: 3 there, 1 now"),
        ({"num_partitions": 1, "compile": True}, r"trainer\.compile: False there, True now"),
    ]:
        with pytest.raises(ValueError, match=difference):
            Trainer(**{**options, **other}).fit(lightgcn(), data, out=tmp_path)
    result = Trainer(**options).fit(lightgcn(), data, out=tmp_path)
    assert numbers(result) == numbers(expected)


@pytest.mark.parametrize("num_partitions", [1, 3])
@pytest.mark.parametrize("profile", ["paper", "released"])
def test_soil_in_bfloat16(data: HeteroData, profile: str, num_partitions: int) -> None:
    def fit(precision: Any) -> tuple[TrainResult, SOIL]:
        model = soil(**SOIL.profile_options(profile, SOIL))
        options = {**OPTIONS, "lr": 0.01, "accelerator": "cpu", "num_partitions": num_partitions}
        return Trainer(**options, precision=precision).fit(model, data), model

    (low, model), (exact, _) = fit("bf16-mixed"), fit("32-true")
    for entry, other in zip(low.history, exact.history, strict=True):
        assert entry["loss"] == pytest.approx(other["loss"], rel=0.05)
    assert low.history != exact.history
    assert all(p.dtype == torch.float32 for p in model.parameters())
    user_emb, item_emb = model(data)
    with torch.autocast("cpu", torch.bfloat16):
        low_user, low_item = model(data)
    torch.testing.assert_close(low_user.float(), user_emb, rtol=0.05, atol=0.01)
    torch.testing.assert_close(low_item.float(), item_emb, rtol=0.05, atol=0.01)


@pytest.mark.slow
def test_compiled(data: HeteroData) -> None:
    expected = Trainer(**OPTIONS, accelerator="cpu").fit(lightgcn(), data)
    result = Trainer(**OPTIONS, accelerator="cpu", compile=True).fit(lightgcn(), data)
    for entry, other in zip(result.history, expected.history, strict=True):
        assert entry["loss"] == pytest.approx(other["loss"], rel=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("make", [soil, lightgcn, lambda: BPR(30, 40, hidden_channels=4)])
def test_no_step_waits_for_the_device(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch, precision: Any, make: Callable[[], Any]
) -> None:
    batches, epochs = PartitionLoader.__iter__, iter(range(1000))

    def strict(self: PartitionLoader) -> Iterator[tuple[HeteroData, Triplets]]:
        every, first = list(batches(self)), next(epochs) == 0
        # The first epoch sorts each graph once for the backward pass.
        torch.cuda.set_sync_debug_mode("default" if first else "error")
        yield from every
        torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(PartitionLoader, "__iter__", strict)
    try:
        result = Trainer(**OPTIONS, precision=precision, accelerator="cuda").fit(make(), data)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert result.epochs == 3


@pytest.mark.gpu
def test_partitions_on_a_gpu(data: HeteroData) -> None:
    model = soil()
    result = Trainer(**OPTIONS, num_partitions=3, accelerator="cuda").fit(model, data)
    on_cpu = Trainer(**OPTIONS, num_partitions=3, accelerator="cpu").fit(soil(), data)
    assert next(model.parameters()).is_cuda
    assert result.history[0]["loss"] == pytest.approx(on_cpu.history[0]["loss"], rel=1e-3)
