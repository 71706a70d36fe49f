from typing import Any

from soil_bench.paper.report import table2_report, table3_report

TEST = {"recall@10": [0.1, 0.2], "recall@20": [0.3, 0.3], "ndcg@10": [0.1, 0.1], "ndcg@20": [0, 0]}
HEAD = {"dataset": "tiny", "seeds": 2, "epochs": None}


def table2(**changes: Any) -> dict[str, Any]:
    soil = {"model": "soil", "profile": "paper", "test": TEST, "published": {"ndcg@20": 0.04}}
    other = {"model": "bpr", "profile": None, "test": TEST, "published": {}}
    comparison = {
        "other": "bpr",
        "metric": "recall@20",
        "difference": 0.0123,
        "standard_error": 0.004,
        "p_t_test": 0.00213,
        "p_sign_flip": 0.0031,
        "pairs": 6120,
    }
    return HEAD | {
        "rows": [other, soil],
        "left_out": [],
        "best_other": "bpr",
        "improvement": {"recall@10": 0.051, "recall@20": 0.0, "ndcg@10": -0.2, "ndcg@20": None},
        "comparisons": [comparison],
        "missing": [],
        **changes,
    }


def test_table2() -> None:
    report = table2_report(table2())
    metrics = ["recall@10", "recall@20", "ndcg@10", "ndcg@20", "published"]
    assert report.columns == ["model", "profile", *metrics]
    values = ["0.1500 ± 0.0707", "0.3000 ± 0.0000", "0.1000 ± 0.0000", "0.0000 ± 0.0000"]
    assert report.rows == [["bpr", "-", *values, "-"], ["soil", "paper", *values, "0.0400"]]
    assert report.title.endswith("tiny, 2 seeds")
    _, improvement, comparison = report.notes
    assert improvement.endswith("recall@10 +5.1%, recall@20 +0.0%, ndcg@10 -20.0%, ndcg@20 -")
    assert "bpr" in improvement
    for text in ["SOIL minus bpr, recall@20", " 6,120 ", "+0.0123 ± 0.0040", "0.0021", "0.0031"]:
        assert text in comparison


def test_table2_marks_what_differs_significantly() -> None:
    base = {"difference": 0.01, "standard_error": 0.004, "p_t_test": 0.001, "p_wilcoxon": 0.002}
    base |= {"pairs": 30, "p_wilcoxon_holm": 0.02}
    comparisons = [
        {"over": over, "other": other, "metric": metric, "p_t_test_holm": p, **base}
        for over, other, metric, p in [
            ("users", "bpr", "recall@20", 0.004),
            ("users", "bpr", "ndcg@20", 0.04),
            ("users", "vbpr", "recall@20", 0.06),
            ("seeds", "vbpr", "ndcg@20", 0.001),
        ]
    ]
    rows = [
        {"model": name, "profile": None, "test": TEST, "published": {}}
        for name in ("bpr", "vbpr", "soil")
    ]
    report = table2_report(table2(rows=rows, comparisons=comparisons))
    assert [cell.partition("± 0.0000")[2] for cell in report.rows[0][3::2]] == ["**", "*"]
    assert "*" not in "".join(report.rows[1] + report.rows[2])
    tested = [note for note in report.notes if note.startswith("SOIL minus")]
    assert len(tested) == 2
    for text in ["0.001 (paired t-test)", "0.002 (Wilcoxon)", "0.004 (t-test, Holm)"]:
        assert text in tested[0]


def test_table2_of_fewer_seeds_and_models() -> None:
    changes = {"best_other": None, "improvement": {}, "comparisons": []}
    record = table2(seeds=1, epochs=5, left_out=["mgcn", "soil"], **changes)
    report = table2_report(record)
    assert report.title.endswith("one seed, at most 5 epochs per run")
    assert report.notes[1].endswith(": mgcn, soil")
    missing = table2(comparisons=[], missing=["bpr", "soil"])
    assert "`run.py --models bpr,soil --rerun`" in table2_report(missing).notes[-1]


def test_table3() -> None:
    parts = ["graph", "loss"]
    difference = {"difference": -0.01, "standard_error": 0.002}
    rows = [
        {"parts": chosen, "test": TEST, "published": {"recall@20": 0.1}, "difference": difference}
        for chosen in ([], ["loss"], parts)
    ]
    report = table3_report(HEAD | {"profile": "paper", "parts": parts, "rows": rows})
    assert report.columns[0] == "parts"
    assert report.columns[2:4] == ["recall@20", "published"]
    assert [row[0] for row in report.rows] == ["none", "loss", "all"]
    assert [row[3] for row in report.rows] == ["0.1000"] * 3
    assert [row[-1] for row in report.rows] == ["-0.0100 ± 0.0020"] * 2 + [""]
