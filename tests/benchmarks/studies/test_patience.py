import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import run
from soil_bench.runs.results import read_records
from soil_bench.studies.patience import MODELS, patience_report, stop
from soil_pyg.datasets import MultimodalDataset
from soil_pyg.models import BPR, LightGCN
from soil_pyg.training.trainer import Trainer

RecordOf = Callable[[str], dict[str, Any]]


@pytest.fixture
def arguments(tiny: list[str]) -> list[str]:
    more = ["--seeds", "2", "--epochs", "12", "--patiences", "6", "1", "2"]
    return ["patience", *tiny, *more, "--models"]


@pytest.mark.usefixtures("trained_runs")
def test_a_smaller_patience_is_replayed(
    arguments: list[str],
    root: Path,
    out: Path,
    record_of: RecordOf,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The oracle is training with that patience."""
    assert run.main([*arguments, "bpr,lightgcn"]) == 0
    record = record_of("patience")
    assert record["patiences"] == [1, 2, 6]
    runs = read_records(out / "results.jsonl").values()
    assert [found["settings"]["patience"] for found in runs] == [6] * 4
    data = MultimodalDataset(str(root), "tiny")[0]
    for name, model_class in {"bpr": BPR, "lightgcn": LightGCN}.items():
        graphs = model_class.graph_transform()(data.clone())
        for patience, stops in record["values"][name]["stops"].items():
            for seed, found in enumerate(stops):
                trainer = Trainer(epochs=12, patience=int(patience), seed=seed, progress=False)
                trained = train_as_the_benchmark(trainer, model_class, graphs)
                expected = (trained.epochs, trained.best_epoch, trained.val["recall@20"])
                assert (found["epochs"], found["best_epoch"], found["val"]) == expected
        test = [found["test"]["recall@20"] for found in runs if found["model"] == name]
        assert record["values"][name]["test"] == test
    printed = capsys.readouterr().out
    assert "Patience on tiny, 2 seeds" in printed
    # Finished runs are found again, and models of another command stay in the table.
    path = out / "records" / "patience-tiny.json"
    machine = record["versions"]["machine"]
    path.write_text(path.read_text().replace(machine, "Another"))
    assert run.main([*arguments, "lightgcn"]) == 0
    assert record_of("patience")["values"] == record["values"]
    machines = " and ".join(sorted(["Another", machine]))
    assert record_of("patience")["versions"]["machine"] == machines
    path.write_text(path.read_text().replace('"seeds": 2', '"seeds": 3'))
    assert run.main([*arguments, "lightgcn"]) == 0
    assert record_of("patience")["models"] == "lightgcn"
    path.write_text("{")
    assert run.main([*arguments, "bpr"]) == 2
    assert "patience-tiny.json: not a record of" in " ".join(capsys.readouterr().err.split())
    path.unlink()
    shutil.rmtree(out / "runs")
    assert run.main([*arguments, "bpr"]) == 2
    assert "remove the line of seed 0" in " ".join(capsys.readouterr().err.split())


def train_as_the_benchmark(trainer: Trainer, model_class: Any, data: Any) -> Any:
    from torch_geometric import seed_everything

    seed_everything(trainer.seed)
    return trainer.fit(model_class(30, 20), data)


@pytest.mark.parametrize(
    ("curve", "patience", "expected"),
    [
        ([0.1, 0.2, 0.2, 0.4], 1, (3, 2, 0.2, 0.5)),
        ([0.1, 0.2, 0.2, 0.4], 2, (4, 4, 0.4, 0.0)),
        ([0.3, 0.2, 0.1], 5, (3, 1, 0.3, 0.0)),
        ([0.0, 0.0], 1, (2, 1, 0.0, 0.0)),
    ],
)
def test_stop(curve: list[float], patience: int, expected: tuple[float, ...]) -> None:
    found = stop(curve, patience)
    assert tuple(found[name] for name in ("epochs", "best_epoch", "val", "loss")) == expected


@pytest.mark.usefixtures("trained_runs")
def test_a_model_without_training(
    arguments: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "popularity" not in MODELS.split(",")
    assert run.main([*arguments, "popularity"]) == 2
    assert "'--models' must name models that are trained" in capsys.readouterr().err
    assert not (out / "records").exists()


def test_table() -> None:
    record = {
        "dataset": "own",
        "seeds": 2,
        "epochs": None,
        "patiences": [1, 4],
        "values": {
            "bpr": {
                "at_most": 9,
                "test": [0.1, 0.3],
                "stops": {
                    "1": [stop([0.4, 0.2, 0.5], 1), stop([0.4, 0.2], 1)],
                    "4": [stop([0.4, 0.2, 0.5], 4), stop([0.4, 0.2], 4)],
                },
            }
        },
    }
    report = patience_report(json.loads(json.dumps(record)))
    assert report.columns == ["model", "at most", "1", "4", "test"]
    assert report.rows == [
        ["bpr", "9", "10.0 % (1 of 2)", "0.0 % (2 of 2)", "0.2000 ± 0.1414"],
    ]
