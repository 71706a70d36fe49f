from collections.abc import Callable
from typing import Any

import pytest
from torch_geometric.data import HeteroData

from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training import progress as module
from soil_pyg.training.early_stopping import EarlyStopping
from soil_pyg.training.progress import EpochProgress
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.utils.progress import status

NAME = "recall@20"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that pass at each look at the clock."""
    now, step = 100.0, [1.0]

    def monotonic() -> float:
        nonlocal now
        now += step[0]
        return now

    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(monotonic)}))
    return step


def show(loader: TripletLoader, enabled: bool = True, epochs: int = 3, **last: Any) -> int:
    batches = 0
    with EpochProgress(EarlyStopping(NAME, 4, 1000, False), enabled) as progress:
        result = TrainResult(best_epoch=1, val={NAME: 0.5})
        for _ in range(epochs):
            batches += len(list(progress.track(loader, len(loader), result.epochs + 1)))
            result.epochs += 1
            entry = {"loss": {"bpr": 0.25, "reg": 2}, "val": {NAME: result.epochs / 10}}
            result.history.append(entry | last)
            progress.report(result)
    return batches


@pytest.fixture
def loader(data: HeteroData) -> TripletLoader:
    return TripletLoader(data, batch_size=32)


def test_a_log_has_a_line_per_epoch(
    loader: TripletLoader, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    num_batches = len(loader)
    assert show(loader) == 3 * num_batches
    # Per epoch the clock is read at its start, after each batch and for the time left.
    seconds = num_batches + 2
    expected = [
        f"epoch {epoch}/1000: loss 2.2500 (bpr 0.2500, reg 2.0000), {NAME} 0.{epoch}000 "
        f"(best 0.5000 in epoch 1), {(5 - epoch) * (seconds * epoch - 1) // epoch} s left"
        for epoch in (1, 2, 3)
    ]
    found = capsys.readouterr().err.splitlines()
    assert [line.rpartition(",")[0] for line in found] == [
        line.rpartition(",")[0] for line in expected
    ]
    assert all(line.endswith(" left") for line in found)


def test_a_long_epoch_has_a_line_per_minute(
    loader: TripletLoader, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    clock[0] = 61.0
    show(loader, epochs=1)
    lines = capsys.readouterr().err.splitlines()
    total = len(loader)
    assert lines[:-1] == [f"epoch 1/1000: batch {n} of {total}" for n in range(total)]


def test_a_terminal_has_one_line_that_is_never_cut(
    loader: TripletLoader, clock: list[float], open_terminal: Callable[[], Any]
) -> None:
    terminal = open_terminal()
    assert show(loader) == 3 * len(loader)
    states = terminal.states()
    assert all(len(state.rstrip("\n")) < 80 for state in states)
    assert states[0] == "epoch 1/1000, 0 %"
    text = f"  {NAME} 0.2000  best 0.5000  loss 2.2500  "
    assert any(state.startswith(f"epoch 3/1000, 0 %{text}") for state in states)
    assert states[-1].startswith(f"epoch 3/1000  {NAME} 0.3000  best 0.5000  loss 2.2500  ")
    assert terminal.getvalue().count("\n") == 1


def test_without_validation_the_loss_is_shown(
    loader: TripletLoader, capsys: pytest.CaptureFixture[str]
) -> None:
    show(loader, epochs=1, val={})
    assert "reg 2.0000), 0 s left" in capsys.readouterr().err


@pytest.mark.parametrize("epochs", [0, 3])
def test_nothing_is_shown_where_there_is_nothing_to_show(
    loader: TripletLoader,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    epochs: int,
) -> None:
    show(loader, enabled=epochs == 0, epochs=epochs)
    monkeypatch.setattr(status, "enabled", False)
    show(loader, epochs=epochs)
    assert capsys.readouterr().err == ""
