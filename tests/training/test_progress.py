import io

import pytest
from rich.console import Console
from torch_geometric.data import HeteroData

from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.progress import EpochProgress
from soil_pyg.training.triplet_loader import TripletLoader


def show(progress: EpochProgress, loader: TripletLoader, epochs: int = 3) -> int:
    batches = 0
    with progress:
        result = TrainResult(best_epoch=1, val={"recall@20": 0.5})
        for _ in range(epochs):
            batches += len(list(progress.track(loader, len(loader), result.epochs + 1)))
            result.epochs += 1
            last = {"loss": {"bpr": 0.25, "reg": 2}, "val": {"recall@20": result.epochs / 10}}
            result.history.append(last)
            progress.report(result, "recall@20")
    return batches


def line(epoch: int) -> str:
    metric = f"val recall@20 {epoch / 10:.4f} (best 0.5000 in epoch 1)"
    return f"Epoch {epoch}: bpr 0.2500 reg 2.0000, {metric}\n"


@pytest.fixture
def loader(data: HeteroData) -> TripletLoader:
    return TripletLoader(data, batch_size=32)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1000, line(1) + line(3)), (0, line(1) + line(2) + line(3))]
)
def test_lines_outside_of_a_terminal(loader: TripletLoader, seconds: float, expected: str) -> None:
    file = io.StringIO()
    progress = EpochProgress(console=Console(file=file), seconds=seconds)
    assert show(progress, loader) == 3 * len(loader)
    assert file.getvalue() == expected


def test_bar_in_a_terminal(loader: TripletLoader) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=160, color_system=None)
    assert show(EpochProgress(console=console), loader) == 3 * len(loader)
    assert f"{len(loader)}/{len(loader)}" in file.getvalue()
    assert file.getvalue().endswith(line(3))
    assert line(1) not in file.getvalue()


def test_disabled_progress_shows_nothing(loader: TripletLoader) -> None:
    file = io.StringIO()
    progress = EpochProgress(False, Console(file=file, force_terminal=True))
    show(progress, loader)
    assert file.getvalue() == ""


def test_nothing_is_shown_for_no_epochs(loader: TripletLoader) -> None:
    file = io.StringIO()
    show(EpochProgress(console=Console(file=file)), loader, epochs=0)
    assert file.getvalue() == ""
