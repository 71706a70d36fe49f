from typing import Any

from soil_bench.systems.report import systems_lines


def ok(
    train: float, evaluate: float, recall: float, own: float | None = None, note: str = ""
) -> Any:
    return {
        "status": "ok",
        "note": note,
        "versions": {"torch": "2.13.0", "x": "1.0"},
        "seconds": {
            "train": {"wall": train, "cpu": 2 * train},
            "evaluate": {"wall": evaluate, "cpu": 2 * evaluate},
        },
        "metrics": {"recall@20": recall},
        "own_recall": own,
    }


RECORD: dict[str, Any] = {
    "dataset": "baby",
    "settings": {
        "model": None,
        "num_users": 19445,
        "num_items": 7050,
        "hidden_channels": 64,
        "num_layers": 3,
        "batch_size": 2048,
        "lr": 0.001,
        "sgd_lr": 0.05,
        "reg": 0.0001,
        "epochs": 5,
        "threads": 2,
        "seed": 0,
    },
    "races": [
        {"model": "bpr", "results": {"soil_pyg": ok(1, 1, 0.02, 0.02), "RecBole": ok(5, 3, 0.02)}},
        {
            "model": "bpr",
            "results": {"soil_pyg": ok(2, 1, 0.02), "implicit": ok(0.5, 0.25, 0.01, note="SGD")},
        },
        {
            "model": "bpr",
            "results": {
                "soil_pyg": ok(3, 1, 0.02),
                "LensKit": {"status": "failed", "note": "", "reason": "Error: <none>"},
            },
        },
        {
            "model": "lightgcn",
            "results": {
                "soil_pyg": {"status": "failed", "note": "", "reason": "no answer"},
                "PyG": ok(1, 1, 0.1),
            },
        },
    ],
    "absent": [{"model": "bpr", "name": "Cornac", "reason": "not installed"}],
}


def test_one_table_per_model_with_ratios_within_a_race() -> None:
    legend, _, *lines = systems_lines(RECORD)
    assert "2 threads" in legend
    assert "batches of 2,048" in legend
    assert "medians of 5 epochs" in legend
    assert lines == [
        "### BPR on baby",
        "",
        "| system | train s | evaluate s | epoch s | / soil_pyg | Recall@20 | by its own evaluator "
        "| versions |",
        "|---|---|---|---|---|---|---|---|",
        "| implicit | 0.5 | 0.25 | 0.75 | 0.25 | 0.0100 | - | torch 2.13.0, x 1.0 |",
        "| soil_pyg | 2 | 1 | 3 | 1.00 | 0.0200 | - | torch 2.13.0, x 1.0 |",
        "| RecBole | 5 | 3 | 8 | 4.00 | 0.0200 | - | torch 2.13.0, x 1.0 |",
        "",
        "- implicit: SGD",
        "- failed: LensKit: Error: &lt;none&gt;",
        "- absent: Cornac: not installed",
        "",
        "### LightGCN on baby",
        "",
        "| system | train s | evaluate s | epoch s | / soil_pyg | Recall@20 | by its own evaluator "
        "| versions |",
        "|---|---|---|---|---|---|---|---|",
        "",
        "- failed: soil_pyg: no answer",
        "- absent: RecBole-GNN: not on PyPI; its LightGCN is that of RecBole",
        "",
    ]


def test_with_one_thread_cpu_seconds_are_shown() -> None:
    legend, *lines = systems_lines(RECORD | {"settings": RECORD["settings"] | {"threads": 1}})
    assert "CPU seconds" in legend
    assert "| RecBole | 10 | 6 | 16 | 4.00 | 0.0200 | - | torch 2.13.0, x 1.0 |" in lines


def test_a_single_epoch_has_no_median() -> None:
    legend, *_ = systems_lines(RECORD | {"settings": RECORD["settings"] | {"epochs": 1}})
    assert "one epoch and one evaluation. An evaluation is a full ranking" in legend
    assert "1 epochs" not in legend
