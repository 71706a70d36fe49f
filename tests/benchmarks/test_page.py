import json
from pathlib import Path
from typing import Any

import pytest

from page import main, page
from results import read_records


def record(model: str, seed: int, valid: float, test: float, **settings: Any) -> dict[str, Any]:
    metrics = {"recall@10": test / 2, "recall@20": test, "ndcg@10": test / 4, "ndcg@20": test / 3}
    return {
        "model": model,
        "profile": "released" if model == "soil" else None,
        "dataset": "baby",
        "data_digest": "0123456789abcdef",
        "seed": seed,
        "best_epoch": 7,
        "epochs": 9,
        "valid": {"recall@20": valid},
        "test": metrics,
        "seconds": {"total": 90.0},
        "settings": {"lr": 0.001, **settings},
        "versions": {"torch": "2.13.0", "code": "secret"},
    }


RECORDS = [
    record("soil", 0, valid=0.10, test=0.12, k=5),
    record("soil", 1, valid=0.11, test=0.10, k=5),
    record("soil", 0, valid=0.09, test=0.20, k=10),
    record("lightgcn", 0, valid=0.08, test=0.09),
    record("package.module:Mine", 0, valid=0.01, test=0.01),
]


def test_settings_are_chosen_by_validation() -> None:
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


def test_the_page_is_written_from_files(tmp_path: Path) -> None:
    results, out = tmp_path / "results.jsonl", tmp_path / "page.md"
    results.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    assert main([str(results), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == page(RECORDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.md", "results.jsonl"]


def test_a_file_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as error:
        main([str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "page.md")])
    assert error.value.code == 2
    assert "'results' must name files of finished runs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    folder = Path(__file__).parents[2] / "benchmarks"
    records = read_records(folder / "results.jsonl").values()
    assert (folder / "README.md").read_text(encoding="utf-8") == page(records)
