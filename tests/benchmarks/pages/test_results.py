import json
import re
from pathlib import Path
from typing import Any

import pytest

from page import main
from soil_bench.pages.coverage import coverage_section
from soil_bench.pages.results import other_sections, page, read_runs, read_tuned
from soil_bench.runs.results import upgraded


def record(model: str, seed: int, val: float, test: float, **settings: Any) -> dict[str, Any]:
    metrics = {"recall@10": test / 2, "recall@20": test, "ndcg@10": test / 4, "ndcg@20": test / 3}
    found = {
        "model": model,
        "profile": "released" if model == "soil" else None,
        "dataset": "baby",
        "data_digest": "0123456789abcdef",
        "seed": seed,
        "best_epoch": 7,
        "epochs": 9,
        "val": {"recall@20": val},
        "test": metrics,
        "seconds": {"total": 90.0},
        "settings": {"lr": 0.001, **settings},
        "versions": {"torch": "2.13.0", "code": "secret"},
    }
    return upgraded(found)


RECORDS = [
    record("soil", 0, val=0.10, test=0.12, k=5),
    record("soil", 1, val=0.11, test=0.10, k=5),
    record("soil", 0, val=0.09, test=0.20, k=10),
    record("lightgcn", 0, val=0.08, test=0.09),
    record("package.module:Mine", 0, val=0.01, test=0.01),
]


def test_settings_are_chosen_by_the_val_metric() -> None:
    lines = page(RECORDS).splitlines()
    rows = [line for line in lines if line.startswith(("| soil", "| lightgcn", "| package"))]
    assert rows == [
        "| package.module:Mine | - | 1 | 0.0050 | 0.0100 | 0.0025 | 0.0033 | - | 7 | 1.5 "
        "| 1 tried |",
        "| lightgcn | - | 1 | 0.0450 | 0.0900 | 0.0225 | 0.0300 | 0.0754 / 0.0328 | 7 | 1.5 "
        "| 1 tried |",
        "| soil | released | 2 | 0.0550 ± 0.0071 | 0.1100 ± 0.0141 | 0.0275 ± 0.0035 "
        "| 0.0367 ± 0.0047 | 0.1028 / 0.0454 | 7 ± 0 | 1.5 ± 0.0 | k 5; 2 tried |",
    ]
    assert "0.2000" not in page(RECORDS)
    assert "Data digest `0123456789ab`. torch 2.13.0." in lines


def test_versions_of_a_data_set_are_kept_apart() -> None:
    old = [record("bpr", seed, val=0.5, test=0.5) for seed in range(5)]
    new = [
        record("bpr", seed, val=0.1, test=0.1) | {"data_digest": "fedcba9876543210"}
        for seed in range(3)
    ]
    text = page(old + new)
    assert text.count("## baby") == 2
    cells = [line.split(" | ")[2:5:2] for line in text.splitlines() if line.startswith("| bpr")]
    assert cells == [["5", "0.5000 ± 0.0000"], ["3", "0.1000 ± 0.0000"]]
    assert "Data digest `0123456789ab`" in text
    assert "Data digest `fedcba987654`" in text


def test_a_schedule_that_was_not_published_is_named() -> None:
    """Beside published values, a run with another schedule must not pass as published."""
    runs = [
        record("lightgcn", 0, val=0.1, test=0.1, lr_decay=0.96, patience=20),
        record("bpr", 0, val=0.1, test=0.1, lr_decay=1.0, patience=60),
        record("soil", 0, val=0.1, test=0.1, lr_decay=0.96, patience=10),
        record("package.module:Mine", 0, val=0.1, test=0.1, lr_decay=0.5),
    ]
    rows = [line.split("|") for line in page(runs).splitlines() if line.startswith("| ")][1:]
    ends = {row[1].strip(): row[-2] for row in rows}
    assert ends == {
        "lightgcn": " 1 tried; lr_decay 0.96, published with 1.0 ",
        "bpr": " 1 tried; patience 60, published with 20 ",
        "soil": " 1 tried ",
        "package.module:Mine": " 1 tried ",
    }
    as_published = record("lightgcn", 0, val=0.05, test=0.05, lr_decay=1.0, patience=20)
    assert "lr_decay" not in page([*runs, as_published])
    runs = [run | {"dataset": "own"} for run in runs]
    assert "published with" not in page(runs)


def test_a_single_seed_is_not_compared_with_more() -> None:
    lucky = record("soil", 0, val=0.5, test=0.3, k=20)
    (row,) = [line for line in page([*RECORDS, lucky]).splitlines() if line.startswith("| soil")]
    assert row.startswith("| soil | released | 2 |")
    assert row.endswith("k 5; 3 tried |")


def test_of_two_runs_that_their_code_tells_apart_the_later_counts() -> None:
    again = [record("soil", 0, val=0.2, test=0.3), record("soil", 0, val=0.1, test=0.2)]
    again[1]["versions"]["code"] = "later"
    (row,) = [line for line in page(again).splitlines() if line.startswith("| soil")]
    assert row.startswith("| soil | released | 1 | 0.1000 | 0.2000 |")


def test_data_that_was_made_of_other_data_is_left_out() -> None:
    derived = record("soil", 0, val=0.2, test=0.3) | {"dataset": "baby-01234567-mean-0.1-seed0"}
    assert page([*RECORDS, derived]) == page(RECORDS)


def test_training_on_partitions_has_a_row_of_its_own() -> None:
    runs = [
        record("soil", 0, val=0.10, test=0.12),
        record("soil", 1, val=0.10, test=0.12, num_partitions=1, compile=False),
        *(record("soil", seed, val=0.11, test=0.13, compile=True) for seed in (2, 3)),
        record("soil", 0, val=0.30, test=0.10, num_partitions=4, compile=False),
        record("soil", 0, val=0.20, test=0.08, num_partitions=8, compile=False),
    ]
    rows = [line for line in page(runs).splitlines() if line.startswith("| soil")]
    end = "| 0.1028 / 0.0454 | 7 | 1.5 | 1 tried |"
    assert rows == [
        f"| soil, 8 partitions | released | 1 | 0.0400 | 0.0800 | 0.0200 | 0.0267 {end}",
        f"| soil, 4 partitions | released | 1 | 0.0500 | 0.1000 | 0.0250 | 0.0333 {end}",
        "| soil | released | 2 | 0.0650 ± 0.0000 | 0.1300 ± 0.0000 | 0.0325 ± 0.0000 "
        "| 0.0433 ± 0.0000 | 0.1028 / 0.0454 | 7 ± 0 | 1.5 ± 0.0 | compile True; 2 tried |",
    ]
    # Without the settings that came later a run is as with their defaults.
    (row,) = [line for line in page(runs[:2]).splitlines() if line.startswith("| soil")]
    assert row.startswith("| soil | released | 2 | 0.0600 ± 0.0000 |")
    assert row.endswith("| 1 tried |")


def test_the_page_is_written_from_files(tmp_path: Path) -> None:
    results, out = tmp_path / "results.jsonl", tmp_path / "page.md"
    results.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    assert main([str(results), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == page(RECORDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.md", "results.jsonl"]
    out.unlink()
    assert main([str(results)]) == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == page(RECORDS)


@pytest.mark.parametrize(("seeds", "end"), [(1, ""), (3, " of 3 seeds")])
def test_what_a_search_has_chosen(tmp_path: Path, seeds: int, end: str) -> None:
    results, out = tmp_path / "results.jsonl", tmp_path / "page.md"
    results.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    (tmp_path / "records").mkdir()
    search = {"winner": {"settings": {"k": 5}}, "num_trials": 12, "trial_seeds": seeds}
    search |= {"model": "soil", "dataset": "baby", "profile": "released", "fixed": {"lr": 0.001}}
    path = tmp_path / "records" / "tuned-baby-soil.json"
    path.write_text(json.dumps(search))
    assert main([str(results), "--out", str(out)]) == 0
    assert f"| k 5; 12 tried{end} |\n" in out.read_text("utf-8")
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"tuned-baby-soil.json: not a record of 'run.py tune'"):
        read_tuned(path.parent)


@pytest.mark.parametrize("profile", [None, "released"])
def test_what_a_search_has_tried_and_not_chosen(tmp_path: Path, profile: str | None) -> None:
    fixed = {"lr": 0.001, "device": "cuda"}
    search = {"model": "soil", "dataset": "baby", "profile": profile, "fixed": fixed}
    search |= {"num_trials": 2, "trial_seeds": 1, "winner": {"settings": {"k": 5}}}
    search["trials"] = [{"settings": {"k": 10}}, {"settings": {"k": 5}}]
    (tmp_path / "tuned-baby-soil.json").write_text(json.dumps(search))
    runs = [record("soil", seed, val=0.2, test=0.1, k=10, device="cpu") for seed in (0, 1)]
    end = "| k 10; 2 tried |" if profile is None else "| 1 tried |"
    assert end in page(runs, tuned=read_tuned(tmp_path))


def test_the_device_is_no_setting() -> None:
    runs = [
        record("soil", 0, val=0.1, test=0.1, k=5, device="cpu"),
        record("soil", 0, val=0.2, test=0.2, k=10, device="cuda"),
    ]
    assert "| k 10; 2 tried |" in page(runs)


def test_a_file_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "page.md")]) == 2
    assert "'results' must name files of finished runs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["", "none/page.md", "."])
def test_a_page_that_cannot_be_written(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.jsonl").write_text(json.dumps(RECORDS[0]) + "\n")
    assert main(["results.jsonl", "--out", out]) == 2
    error = capsys.readouterr().err
    assert error.startswith("page.py: ")
    assert "'--out'" in error
    assert f"(got '{out}')" in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


def test_sections_of_the_records_beside_the_runs(tmp_path: Path) -> None:
    results, out = tmp_path / "results.jsonl", tmp_path / "page.md"
    results.write_text(json.dumps(RECORDS[0]) + "\n")
    (tmp_path / "records").mkdir()
    scale = {"channels": {"a": 3}, "sizes": [], "exponents": {}, "versions": {"torch": "2"}}
    (tmp_path / "records" / "scale.json").write_text(json.dumps(scale))
    assert main([str(results), "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert text.startswith(page(RECORDS[:1]) + "\n## Scale\n\n")
    assert "features of 3" in text
    assert text.endswith("Written by `python benchmarks/run.py scale`. torch 2.\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val": {}}, "the run soil-baby-seed0-.* is not a finished one .KeyError.'recall@20'.."),
        ({"seconds": None}, "line 1: not the record of a run .seconds: .*got None"),
        ({"settings": [1]}, "line 1: not the record of a run .settings: "),
        ({"seed": None, "settings": ...}, "line 1: not the record of a run"),
    ],
)
def test_a_file_of_runs_that_is_broken(
    change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    results, out = tmp_path / "results.jsonl", tmp_path / "page.md"
    line = {name: value for name, value in (RECORDS[0] | change).items() if value is not ...}
    results.write_text(json.dumps(line) + "\n")
    assert main([str(results), "--out", str(out)]) == 2
    assert re.search(f"page.py: {re.escape(str(results))}.*{message}", capsys.readouterr().err)
    assert not out.exists()


def test_a_record_that_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    results, out = tmp_path / "results.jsonl", tmp_path / "page.md"
    results.write_text(json.dumps(RECORDS[0]) + "\n")
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "graphs.json").write_text("{")
    assert main([str(results), "--out", str(out)]) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path / 'records' / 'graphs.json'}: not a record of 'run.py graphs'" in message
    assert not out.exists()


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    folder = Path(__file__).parents[3] / "benchmarks"
    runs, others = read_runs(folder / "results.jsonl"), other_sections(folder / "records", folder)
    tuned, coverage = read_tuned(folder / "records"), coverage_section(folder / "records", runs)
    assert (folder / "README.md").read_text(encoding="utf-8") == page(runs, others, tuned, coverage)
