import json
from collections.abc import Callable
from pathlib import Path

import pytest

from soil_pyg import cli, compare, train
from soil_pyg.reports.paper_table import bibtex, paper_table, rows_of_runs


@pytest.fixture
def runs(run_folder: Path, data_folder: Path, tmp_path: Path) -> list[str]:
    options = {"epochs": 2, "hidden_channels": 4, "progress": False, "device": "cpu"}
    train(data_folder, tmp_path / "other", "bpr", lr=0.01, **options)
    return [str(run_folder), str(tmp_path / "other")]


def test_one_run_a_column_for_people(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert cli.main(["compare", *runs]) == 0
    out, err = capfd.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert err == ""
    assert rows[0] == runs
    assert ["lr", "0.0010", "0.0100"] in rows
    expected = compare(runs)["test recall@20"]
    assert ["test", "recall@20", *(f"{value:.4f}" for value in expected)] in rows


def test_one_run_a_row_for_machines(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert cli.main(["compare", *runs, "--format", "json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert [row["lr"] for row in rows] == [0.001, 0.01]
    assert [list(row) for row in rows] == [list(compare(runs))] * 2


@pytest.mark.parametrize("file_format", ["markdown", "latex"])
def test_tables_for_papers(runs: list[str], file_format: str, tmp_path: Path) -> None:
    out, entries = tmp_path / "table.txt", tmp_path / "models.bib"
    flags = ["--format", file_format, "--out", str(out), "--bibtex", str(entries)]
    assert cli.main(["compare", *runs, *flags]) == 0
    rows = rows_of_runs(compare(runs), ["recall@20", "ndcg@20"])
    assert len(rows) == 2
    note = "Test metrics, mean ± sample standard deviation over seeds"
    assert out.read_text("utf-8") == paper_table(rows, [note], file_format)
    models = dict.fromkeys(compare(runs)["model"].str.lower())
    assert entries.read_text("utf-8") == "\n".join(map(bibtex, models))


def test_metrics_of_a_table_for_a_paper(runs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    flags = ["--format", "markdown", "--out", str(out)]
    assert cli.main(["compare", *runs, *flags, "--metrics", "map@10", "recall@10"]) == 0
    assert out.read_text("utf-8").splitlines()[0] == "| Model | map@10 | recall@10 |"
    assert cli.main(["compare", *runs, *flags, "--metrics", "map@3"]) == 2


def test_the_same_run_twice(run_folder: Path, tmp_path: Path) -> None:
    run = str(run_folder)
    assert cli.main(["compare", run, run, "--out", str(tmp_path / "a.txt")]) == 0
    assert (tmp_path / "a.txt").read_text().splitlines()[0].split() == [run, run]
    assert cli.main(["compare", run, run, "--out", str(tmp_path / "a.parquet")]) == 0


def test_runs_that_are_not_there(run_folder: Path, refused: Callable[..., str]) -> None:
    assert "'nowhere'" in refused("compare", run_folder, "nowhere")
    assert "RUNS" in refused("compare")
