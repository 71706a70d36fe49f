from typing import Any

from soil_bench.speed.libraries_report import libraries_lines


def timed(median: float, ratio: float | None, peak: float | None, recall: float = 1.0) -> Any:
    return {
        "median_ms": median,
        "q1_ms": 0.9 * median,
        "q3_ms": 1.2 * median,
        "ratio": ratio,
        "peak_memory_mb": peak,
        "recall": recall,
    }


def ok(name: str, **tasks: Any) -> dict[str, Any]:
    return {
        "name": name,
        "status": "ok",
        "tasks": {task.replace("_", "+"): found for task, found in tasks.items()},
    }


WRONG = {"name": "Odd", "status": "wrong", "reason": "forward: 0.5000 of it right", "tasks": {}}
FAILED = {"name": "Odd", "status": "failed", "reason": "Error: <none> & no more", "tasks": {}}
RECORD: dict[str, Any] = {
    "device": "cpu",
    "seed": 3,
    "rounds": 15,
    "memory": "peak above the inputs",
    "absent": [
        {"part": "propagation", "name": "DGL", "reason": "not installed"},
        {"part": "neighbours", "name": "hnswlib", "reason": "not installed"},
    ],
    "cases": [
        {
            "part": "propagation",
            "name": "user-item",
            "results": [
                ok("slow", forward=timed(3.0, 1.5, 12.0), forward_backward=timed(4.0, 1.0, 20.4)),
                ok("soil_pyg", forward=timed(2, 1.0, 3.6), forward_backward=timed(8.0, 2.0, None)),
                WRONG,
            ],
        },
        {
            "part": "propagation",
            "name": "item-item",
            "results": [ok("soil_pyg", forward=timed(1234.5, None, 5000.0)), FAILED],
        },
        {
            "part": "neighbours",
            "name": "300 items",
            "results": [ok("FAISS IVF", search=timed(10.0, 0.25, 1.0, recall=0.98))],
        },
    ],
}


def test_one_table_per_task_and_absent_libraries() -> None:
    assert libraries_lines(RECORD) == [
        "On cpu, seed 3: timed in turns, after each answer was checked. / best: to the fastest "
        "exact library of the case; quartiles of at most 15 rounds. MiB: peak above the inputs.",
        "",
        "### Propagation, forward",
        "",
        "| case | library | median ms | / best | quartiles, ms | MiB |",
        "|---|---|---|---|---|---|",
        "| user-item | soil_pyg | 2 | 1.00 | 1.8 to 2.4 | 4 |",
        "|  | slow | 3 | 1.50 | 2.7 to 3.6 | 12 |",
        "| item-item | soil_pyg | 1,234 | - | 1,111 to 1,481 | 5,000 |",
        "",
        "### Propagation, forward and backward",
        "",
        "| case | library | median ms | / best | quartiles, ms | MiB |",
        "|---|---|---|---|---|---|",
        "| user-item | slow | 4 | 1.00 | 3.6 to 4.8 | 20 |",
        "|  | soil_pyg | 8 | 2.00 | 7.2 to 9.6 | - |",
        "",
        "- wrong: Odd, user-item: forward: 0.5000 of it right",
        "- failed: Odd, item-item: Error: &lt;none&gt; &amp; no more",
        "- absent: DGL: not installed",
        "",
        "### Neighbours, search",
        "",
        "| case | library | median ms | / best | quartiles, ms | MiB | recall@10 |",
        "|---|---|---|---|---|---|---|",
        "| 300 items | FAISS IVF | 10 | 0.25 | 9 to 12 | 1 | 0.9800 |",
        "",
        "- absent: hnswlib: not installed",
        "",
    ]


def test_all_present_and_right() -> None:
    lines = libraries_lines(RECORD | {"absent": [], "cases": RECORD["cases"][2:]})
    assert [line for line in lines if line.startswith("-")] == []
    assert lines[-2:] == ["| 300 items | FAISS IVF | 10 | 0.25 | 9 to 12 | 1 | 0.9800 |", ""]
