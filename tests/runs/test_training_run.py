import contextlib
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.optim import Adam
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.runs import checkpoint
from soil_pyg.runs.training_run import TrainingRun, TrainResult

TRAINER = {"lr": 0.1, "ks": (20,), "metric": "recall@20", "seed": 0}
Make = Callable[..., TrainingRun]


@pytest.fixture
def make(data: HeteroData, tmp_path: Path) -> Make:
    def make(
        folder: Path | None = tmp_path, seconds: float = 0, settings: Any = None
    ) -> TrainingRun:
        model = BPR(30, 40, hidden_channels=4)
        return TrainingRun(model, data, folder, settings or {"a": 1}, TRAINER, seconds)

    return make


def epoch(run: TrainingRun, model: BPR, optimizer: Adam) -> None:
    optimizer.zero_grad()
    model.user_embedding.weight.square().sum().backward()
    optimizer.step()
    run.result.epochs += 1
    run.result.history.append({"epoch": run.result.epochs, "loss": {}, "val": {}})
    run.end_epoch(model, optimizer)


def model_and_optimizer() -> tuple[BPR, Adam]:
    model = BPR(30, 40, hidden_channels=4)
    return model, Adam(model.parameters(), 0.1)


def test_state_of_the_last_epoch_comes_back(make: Make) -> None:
    run, (model, optimizer) = make(), model_and_optimizer()
    epoch(run, model, optimizer)
    run.keep_best(model, {"recall@20": 0.5})
    epoch(run, model, optimizer)
    best, weights = run.best, {k: v.clone() for k, v in model.state_dict().items()}

    resumed, (other, other_optimizer) = make(), model_and_optimizer()
    resumed.restore(other, other_optimizer)
    assert resumed.result == run.result
    assert resumed.result.best_epoch == 1
    assert not resumed.finished
    for name, value in weights.items():
        assert torch.equal(other.state_dict()[name], value)
        assert torch.equal(resumed.best[name], best[name])
    epoch(run, model, optimizer)
    epoch(resumed, other, other_optimizer)
    assert torch.equal(model.user_embedding.weight, other.user_embedding.weight)


def test_going_back_undoes_an_epoch_that_did_not_end(make: Make) -> None:
    run, (model, optimizer) = make(), model_and_optimizer()
    assert not run.go_back()
    run.keep_best(model, {"recall@20": 0.5})
    epoch(run, model, optimizer)
    before = {name: value.clone() for name, value in run.best.items()}
    run.result.epochs += 1
    run.result.history.append({"epoch": 2})
    torch.nn.init.zeros_(model.user_embedding.weight)
    run.keep_best(model, {"recall@20": 0.6})
    assert run.go_back()
    assert (run.result.epochs, run.result.history) == (1, [{"epoch": 1, "loss": {}, "val": {}}])
    assert run.result.val == {"recall@20": 0.5}
    assert all(torch.equal(run.best[name], value) for name, value in before.items())


@pytest.mark.parametrize(("seconds", "stored"), [(0, True), (1000, False)])
def test_checkpoints_from_time_to_time(
    make: Make, tmp_path: Path, seconds: float, stored: bool
) -> None:
    epoch(run := make(seconds=seconds), *model_and_optimizer())
    assert (tmp_path / checkpoint.STATE).exists() is stored
    run.store()
    assert (tmp_path / checkpoint.STATE).exists()


def test_without_a_folder_nothing_is_stored(make: Make, tmp_path: Path, data: HeteroData) -> None:
    run, (model, optimizer) = make(folder=None), model_and_optimizer()
    epoch(run, model, optimizer)
    run.store()
    run.store_model((torch.ones(1), torch.ones(1)), data, finished=True)
    assert list(tmp_path.iterdir()) == []
    assert not run.go_back()


def test_seconds_go_on_after_an_interruption(make: Make) -> None:
    run, (model, optimizer) = make(), model_and_optimizer()
    for _ in range(2):
        with run.timed("train"):
            time.sleep(0.03)
    epoch(run, model, optimizer)
    resumed = make()
    time.sleep(0.02)
    with resumed.timed("evaluate"):
        time.sleep(0.03)
    seconds: dict[str, Any] = resumed.result.seconds
    assert seconds["train"] == run.result.seconds["train"] >= 0.06
    assert seconds["evaluate"] >= 0.03
    assert seconds["total"] >= run.result.seconds["total"] + 0.05


def test_results_do_not_share_their_defaults() -> None:
    assert TrainResult().history is not TrainResult().history
    assert TrainResult().seconds == {"train": 0.0, "evaluate": 0.0, "total": 0.0}


def test_settings_with_former_names_are_resumed(make: Make) -> None:
    epoch(make(settings={"floor": 1}), *model_and_optimizer())
    assert make(settings={"floor": 1}).result.epochs == 1
    with pytest.raises(ValueError, match=r"settings\.min_weight: 1 there, 2 now"):
        make(settings={"floor": 2})


def test_a_checkpoint_delays_the_next_one(make: Make, tmp_path: Path) -> None:
    run, (model, optimizer) = make(seconds=0.5), model_and_optimizer()
    time.sleep(0.5)
    for _ in range(2):
        epoch(run, model, optimizer)
    assert checkpoint.load_tensors(tmp_path / checkpoint.STATE)[1]["result"]["epochs"] == 1


def test_a_finished_run_comes_back_without_its_state(
    make: Make, tmp_path: Path, data: HeteroData
) -> None:
    run, (model, optimizer) = make(), model_and_optimizer()
    epoch(run, model, optimizer)
    run.keep_best(model, {"recall@20": 0.5})
    tables = model.user_embedding.weight, model.item_embedding.weight
    run.store_model(tables, data, finished=True)
    assert not (tmp_path / checkpoint.STATE).exists()
    for _ in range(2):
        again = make()
        assert again.finished
        assert again.result.val == {"recall@20": 0.5}
        assert torch.equal(again.best["item_embedding.weight"], tables[1])


@pytest.fixture
def state(make: Make, tmp_path: Path) -> Path:
    run, (model, optimizer) = make(), model_and_optimizer()
    run.keep_best(model, {"recall@20": 0.5})
    epoch(run, model, optimizer)
    return tmp_path / checkpoint.STATE


def rewrite(state: Path, change: Callable[[dict[str, Any]], None], seal: bool) -> None:
    """Changes the header of a state, by default as an earlier version wrote it."""
    with safe_open(state, "pt") as file:
        header = json.loads(file.metadata()["soil_pyg"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del header["sha256"]
    change(header)
    if seal:
        checkpoint.save_tensors(state, tensors, header["metadata"])
    else:
        save_file(tensors, state, {"soil_pyg": json.dumps(header)})


def test_no_flipped_bit_in_the_state_goes_unnoticed(make: Make, state: Path) -> None:
    content = state.read_bytes()
    expected = make().result
    for bit in range(0, 8 * len(content), 8 * len(content) // 60 + 1):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        state.write_bytes(flipped)
        with contextlib.suppress(ValueError):
            assert make().result == expected
            assert "e" in chr(content[bit // 8]).lower()  # Both cases stand for the same number.


def test_a_state_without_a_digest_is_resumed(make: Make, state: Path) -> None:
    expected = make().result
    rewrite(state, lambda header: None, seal=False)
    assert make().result == expected


def drop(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        value = header
        for key in keys[:-1]:
            value = value[key]
        del value[keys[-1]]

    return change


@pytest.mark.parametrize("seal", [False, True])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda header: header.update(metadata=None), "StateRecord"),
        (lambda header: header.update(metadata={"result": {}}), "identity"),
        (lambda header: header["metadata"].update(identity={}), "identity.model"),
        (drop("metadata", "result", "epochs"), "result.epochs"),
        (lambda header: header["metadata"]["result"].update(epochs=2), "history"),
        (lambda header: header["metadata"]["result"].update(best_epoch=5), "best_epoch"),
    ],
)
def test_a_state_of_another_form_is_refused(
    make: Make, state: Path, change: Callable[[dict[str, Any]], None], named: str, seal: bool
) -> None:
    rewrite(state, change, seal)
    with pytest.raises(ValueError, match=f"state.safetensors'.*{named}.*--overwrite"):
        make()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.user_embedding.weight", torch.zeros(30, 5)),
        ("model.user_embedding.weight", None),
        ("best.item_embedding.weight", None),
        ("optimizer.0.exp_avg", torch.zeros(29, 4)),
        ("optimizer.7.exp_avg", torch.zeros(30, 4)),
        ("optimizer.x.exp_avg", torch.zeros(30, 4)),
        ("other", torch.zeros(1)),
    ],
)
def test_a_state_with_other_tensors_is_refused(
    make: Make, state: Path, name: str, value: torch.Tensor | None
) -> None:
    tensors, metadata = checkpoint.load_tensors(state)
    tensors.pop(name, None)
    checkpoint.save_tensors(state, tensors | ({} if value is None else {name: value}), metadata)
    with pytest.raises(ValueError, match=f"state.safetensors'.*'{name}'.*--overwrite"):
        make()


def train(run: TrainingRun, model: BPR, optimizer: Adam, best_epochs: tuple[int, ...]) -> None:
    """Takes a step per epoch; some epochs are the best so far."""
    for number in range(run.result.epochs + 1, 4):
        optimizer.zero_grad()
        model.user_embedding.weight.square().sum().backward()
        optimizer.step()
        run.result.epochs = number
        run.result.history.append({"epoch": number, "loss": {}, "val": {}})
        if number in best_epochs:
            run.keep_best(model, {"recall@20": float(number)})
        run.end_epoch(model, optimizer)


@pytest.mark.parametrize("best_epochs", [(1,), (1, 3), (2,), (1, 2, 3)])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_large_state_is_kept_in_the_folder_alone(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, best_epochs: Any, stop: int
) -> None:
    model, optimizer = model_and_optimizer()
    start = copy.deepcopy(model.state_dict())
    train(whole := make(seconds=1000), model, optimizer, best_epochs)
    assert not (tmp_path / checkpoint.STATE).exists()
    expected = {name: value.clone() for name, value in whole.best.items()}
    weights = copy.deepcopy(model.state_dict())

    monkeypatch.setattr("soil_pyg.runs.training_run.IN_MEMORY", 0)
    model, optimizer = model_and_optimizer()
    model.load_state_dict(start)
    run = make(seconds=1000)

    def interrupt(self: TrainingRun, *arguments: Any) -> None:
        if self.result.epochs > stop:
            raise KeyboardInterrupt
        end_epoch(self, *arguments)

    end_epoch = TrainingRun.end_epoch
    monkeypatch.setattr(TrainingRun, "end_epoch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(run, model, optimizer, best_epochs)
    monkeypatch.setattr(TrainingRun, "end_epoch", end_epoch)
    before = (tmp_path / checkpoint.STATE).read_bytes()
    assert run.go_back()
    assert run.result.epochs == stop
    run.store()
    assert (tmp_path / checkpoint.STATE).read_bytes() == before

    resumed, (model, optimizer) = make(seconds=1000), model_and_optimizer()
    assert resumed.result == run.result
    assert all(torch.equal(resumed.best[name], value) for name, value in run.best.items())
    resumed.restore(model, optimizer)
    train(resumed, model, optimizer, best_epochs)
    assert resumed.result.best_epoch == best_epochs[-1]
    for name, value in expected.items():
        assert torch.equal(resumed.best[name], value)
        assert torch.equal(model.state_dict()[name], weights[name])


def test_going_back_after_a_step_of_a_resumed_run_stores_the_moments_of_the_state(
    make: Make, tmp_path: Path
) -> None:
    run, (model, optimizer) = make(), model_and_optimizer()
    epoch(run, model, optimizer)
    before = checkpoint.load_tensors(tmp_path / checkpoint.STATE)[0]
    resumed, (model, optimizer) = make(), model_and_optimizer()
    resumed.restore(model, optimizer)
    model.user_embedding.weight.square().sum().backward()
    optimizer.step()
    assert resumed.go_back()
    resumed.store()
    after = checkpoint.load_tensors(tmp_path / checkpoint.STATE)[0]
    assert all(torch.equal(after[name], value) for name, value in before.items())
