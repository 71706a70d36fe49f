import re
from typing import Any

from soil_bench.speed.graphs_report import graphs_lines, notes, rows, spread, unequal

TABLE = [
    "|  | ours | naive | ratio | target | met |",
    "|---|---|---|---|---|---|",
    "| all graphs, s | 2 (1 to 3) | 2400 | 1,200.0 | >= 100 x | yes |",
    "| - peak above the inputs, MiB | 1000 (1000 to 1000) | 4000 | 4.0 | < 1024 MiB | yes |",
    "| training step, s | 0.2 | 0.5 | 2.5 | >= 3 x | no |",
    "| - roofline of the step, s | 0.05 | - | 4.0 |  |  |",
    "| epoch with evaluation, s | 10 | 50 | 5.0 | >= 4 x | yes |",
    "| - training, s | 9 | 49 | 5.4 |  |  |",
    "| - evaluation, s | 1 | 1 | 1.0 |  |  |",
]


def test_ratios_and_targets() -> None:
    def side(graphs: list[float], memory: float, step: float, epoch: float) -> dict[str, Any]:
        return {
            "graphs": [{"seconds": s, "above_inputs_mb": memory} for s in graphs],
            "step": [{"seconds": step}],
            "epoch": [{"train": epoch, "evaluate": 1.0}],
        }

    report: dict[str, Any] = {"fast": side([3.0, 1.0, 2.0], 1023.0, 0.2, 9.0)}
    report["naive"] = side([210.0], 4000.0, 0.5, 39.0)
    report["roofline"] = {"seconds": 0.16}
    found = {row["name"].strip(): (row["ratio"], row.get("met")) for row in rows(report)}
    assert found == {
        "all graphs, s": (105.0, True),
        "peak above the inputs, MiB": (4000 / 1023, True),
        "training step, s": (2.5, False),
        "roofline of the step, s": (1.25, None),
        "epoch with evaluation, s": (4.0, True),
        "training, s": (39 / 9, None),
        "evaluation, s": (1.0, None),
    }
    assert spread([3.0, 1.0, 2.0]) == "2 (1 to 3)"
    assert spread([210.25]) == "210.2"
    assert spread([]) == "-"


def test_without_measurements() -> None:
    report = {side: {"graphs": [], "step": [], "epoch": []} for side in ("fast", "naive")}
    for least in (None, {"seconds": 0.16}):
        found = rows({**report, "roofline": least})
        assert len(found) == 7
        assert [row["ratio"] for row in found] == [None] * 7
    assert notes({"roofline": None}) == []
    assert unequal({}) == unequal({"difference": None}) == []


def test_differences_in_words() -> None:
    graph = {"entries": 12_345, "differing": 0, "tolerance": 1e-5, "largest": 3e-7}
    other = {**graph, "differing": 1_042, "largest": 0.053}
    difference = {"graphs": {"user_item": graph, "smell_item_item": other}, "embeddings": 1e-7}
    report = {"difference": difference | {"tied_users": 1_500, "tied_interest": 3}}
    assert unequal(report) == ["smell_item_item: 1,042 of 12,345 entries differ without a tie"]
    user_item, item_item, ties, embeddings = notes(report)
    assert re.findall(r"^user_item: 0 of 12,345 .* 3e-07$", user_item)
    assert re.findall(r"^smell_item_item: 1,042 of 12,345 .* 0.053$", item_item)
    assert re.findall(r"[\d,]+(?= users|,)", ties) == ["1,500", "3"]
    assert embeddings.endswith(" 1e-07")


def test_lines_beside_the_naive_implementation(graphs_record: dict[str, Any]) -> None:
    lines = graphs_lines(graphs_record)
    assert lines[0].startswith(
        "SOIL, baby data, 20,000 users, 7,050 items, 118,551 interactions, features of 4,096 + 384 "
        "dimensions: ours beside the naive implementation of the definitions in `naive.py`."
    )
    assert lines[1:11] == ["", *TABLE]
    assert lines[11] == ""
    roofline, same, *_, embeddings, end = lines[12:]
    assert roofline.startswith("- roofline of the step, ms: features 20, Adam 30")
    assert same == (
        "- user_item: 1 of 3,000 entries differ by more than 1e-05, largest difference 0.25"
    )
    assert embeddings == "- embeddings of the same graphs differ by at most 1.5e-08"
    assert end == ""


def test_lines_without_the_naive_implementation(graphs_record: dict[str, Any]) -> None:
    empty: dict[str, Any] = {"graphs": [], "step": [], "epoch": []}
    record = graphs_record | {"naive": empty, "fast": empty, "roofline": None}
    del record["difference"]
    lines = graphs_lines(record | {"rows": rows(record)})
    assert lines[0].startswith("SOIL, baby data, features of 4,096 + 384 dimensions: ")
    assert lines[4:6] == [
        "| all graphs, s | - | - | - | >= 100 x |  |",
        "| - peak above the inputs, MiB | - | - | - | < 1024 MiB |  |",
    ]
    assert lines[-2:] == ["| - evaluation, s | - | - | - |  |  |", ""]
