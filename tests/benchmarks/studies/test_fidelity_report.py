from typing import Any

from soil_bench.studies.fidelity import fidelity_reports, fidelity_section


def row(start: str, option: str, **changes: Any) -> dict[str, Any]:
    differences = {
        "recall@20": {"difference": -0.0123, "standard_error": 0.001},
        "ndcg@20": {"difference": 0.002, "standard_error": None},
    }
    values = {"start": start, "option": option, "equations": "15-16", "from": "a", "to": "b"}
    return values | {"differences": differences, "reason": None} | changes


ALL = row("released", "all", equations="")
del ALL["from"], ALL["to"]
RECORD = {
    "dataset": "tiny",
    "seeds": 2,
    "epochs": 5,
    "starts": {
        "released": {"recall@20": [0.1, 0.2], "ndcg@20": [0.05, 0.05]},
        "paper": {"recall@20": [], "ndcg@20": []},
    },
    "rows": [
        row("released", "contrast"),
        ALL,
        row("paper", "contrast", differences={}, reason="a run failed"),
    ],
}


def test_a_table_for_each_start() -> None:
    released, paper = fidelity_reports(RECORD)
    assert released.title == "From the released profile on tiny, 2 seeds, at most 5 epochs per run"
    assert released.columns == ["option", "equations", "change", "recall@20", "ndcg@20"]
    assert released.rows == [
        ["contrast", "15-16", "a → b", "-0.0123 ± 0.0010", "+0.0020"],
        ["all", "", "", "-0.0123 ± 0.0010", "+0.0020"],
    ]
    assert released.notes == [
        "Unchanged: recall@20 0.1500 ± 0.0707, ndcg@20 0.0500 ± 0.0000 "
        "(mean ± sample standard deviation)"
    ]
    assert paper.rows == [["contrast", "15-16", "a → b", "-", "-"]]
    assert paper.notes[1] == "contrast: a run failed"


def test_section() -> None:
    lines = fidelity_section(RECORD)
    assert "paired by seed" in lines[0]
    assert "| contrast | 15-16 | a → b | -0.0123 ± 0.0010 | +0.0020 |" in lines
    assert lines.count("| option | equations | change | recall@20 | ndcg@20 |") == 2
