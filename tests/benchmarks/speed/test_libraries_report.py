from typing import Any

from soil_bench.speed.libraries_report import (
    REASON,
    TINY,
    libraries_legend,
    libraries_lines,
    libraries_reports,
)


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
        "exact": not name.startswith("FAISS"),
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
        "On cpu, seed 3: timed in turns, after each answer was checked. / best: median divided "
        "by that of the fastest exact library of the case; quartiles of at most 15 rounds. "
        "MiB: peak above the inputs.",
        "",
        "### soil_pyg and the fastest other library",
        "",
        "| case | task | soil_pyg ms | fastest other exact | its ms | its ms / soil_pyg |",
        "|---|---|---|---|---|---|",
        "| user-item | forward | 2 | slow | 3 | 1.50 |",
        "| user-item | forward and backward | 8 | slow | 4 | 0.50 |",
        "",
        "- Below 1.00 the other library is faster.",
        f"- {REASON}",
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
    assert "### soil_pyg and the fastest other library" not in lines
    assert lines[-2:] == ["| 300 items | FAISS IVF | 10 | 0.25 | 9 to 12 | 1 | 0.9800 |", ""]


def test_tiny_inputs_are_said_to_be_tiny() -> None:
    assert libraries_legend(RECORD | {"options": "--quick --rounds 3"}).startswith(TINY)
    assert TINY not in libraries_legend(RECORD | {"options": "--rounds 3"})


def test_no_reason_where_nothing_is_slower() -> None:
    case = RECORD["cases"][0]
    faster = [result for result in case["results"] if result["name"] == "soil_pyg"]
    slower = ok("other", forward=timed(9.0, 4.5, 1.0), forward_backward=timed(9.0, 1.1, 1.0))
    first = libraries_reports(RECORD | {"cases": [case | {"results": [*faster, slower]}]})[0]
    assert [row[-1] for row in first.rows] == ["4.50", "1.12"]
    assert first.notes == ["Below 1.00 the other library is faster."]


def test_an_environment_with_another_torch_is_named() -> None:
    guest = ok("DGL", forward=timed(2.0, 1.0, 1.0)) | {"versions": {"dgl": "2.1", "torch": "2.2"}}
    case = RECORD["cases"][0] | {"results": [guest]}
    (report,) = libraries_reports(RECORD | {"cases": [case]})
    assert report.rows[0][1] == "DGL (torch 2.2)"
