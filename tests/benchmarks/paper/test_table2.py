import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import pytest

import run
from soil_bench.paper.command import main
from soil_bench.runs import jobs
from soil_bench.runs.results import METRICS, read_records
from soil_pyg.configs import load_config

ALL = ["bpr", "lightgcn", "vbpr", "lattice", "slmrec", "bm3", "freedom", "mgcn", "lgmrec", "soil"]
Draw = Callable[[dict[str, Any]], None]


def arguments(root: Path, out: Path, *more: str) -> list[str]:
    data = ["--dataset", "tiny", "--root", str(root), "--device", "cpu", "--out", str(out)]
    return ["table2", *data, "--epochs", "1", *more]


def record_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "records" / "table2-tiny.json").read_text())


def test_all_models_and_their_metrics(root: Path, tmp_path: Path, drawn_runs: Draw) -> None:
    assert main(arguments(root, tmp_path)) == 0
    table = pd.read_csv(tmp_path / "paper" / "table2-tiny.csv")
    assert table["model"].tolist() == ALL
    assert table["seeds"].tolist() == [3] * 10
    assert table["profile"].tolist()[-1] == "released"
    runs = pd.DataFrame(
        {"model": run["model"], **run["test"]}
        for run in read_records(tmp_path / "results.jsonl").values()
    )
    groups = runs.groupby("model")[METRICS]
    mean, std = groups.mean().loc[ALL], groups.std().loc[ALL]
    for name in METRICS:
        np.testing.assert_allclose(table[name], mean[name], rtol=1e-5)
        np.testing.assert_allclose(table[f"{name} std"], std[name], rtol=1e-5)
        assert table[f"{name} published"].isna().all()
    record = record_of(tmp_path)
    assert [row["model"] for row in record["rows"]] == ALL
    assert (record["seeds"], record["epochs"], record["left_out"]) == (3, 1, [])


def test_the_best_other_is_chosen_by_val(root: Path, tmp_path: Path, drawn_runs: Draw) -> None:
    assert main(arguments(root, tmp_path)) == 0
    record = record_of(tmp_path)
    finished = read_records(tmp_path / "results.jsonl")
    others: dict[str, dict[str, float]] = {"val": {}, "test": {}}
    for split, means in others.items():
        for model in ALL[:-1]:
            runs = [run for run in finished.values() if run["model"] == model]
            means[model] = fmean(run[split]["recall@20"] for run in runs)
    best = max(others["val"], key=others["val"].__getitem__)
    closest = max(others["test"], key=others["test"].__getitem__)
    # Otherwise this test would show nothing.
    assert best != closest
    assert record["best_other"] == best

    values: dict[str, dict[str, list[np.ndarray]]] = {}
    for key, run_ in finished.items():
        with np.load(tmp_path / "users" / f"{key}.npz") as arrays:
            for metric in ("recall@20", "ndcg@20"):
                values.setdefault(run_["model"], {}).setdefault(metric, []).append(arrays[metric])
    stats = pytest.importorskip("scipy.stats")
    comparisons = {(found["other"], found["metric"]): found for found in record["comparisons"]}
    metrics = "recall@20", "ndcg@20"
    assert list(comparisons) == [(name, metric) for name in (best, closest) for metric in metrics]
    table = pd.read_csv(tmp_path / "paper" / "table2-tiny-significance.csv", index_col=[0, 1])
    for (name, metric), found in comparisons.items():
        soil, other = (np.mean(values[model][metric], axis=0) for model in ("soil", name))
        assert found["pairs"] == 30
        assert found["difference"] == pytest.approx((soil - other).mean(), abs=1e-6)
        assert found["p_t_test"] == pytest.approx(stats.ttest_rel(soil, other).pvalue, rel=1e-4)
        assert found["p_sign_flip"] == pytest.approx(found["p_t_test"], abs=0.03)
        assert table.loc[(name, metric), "difference"] == pytest.approx(
            found["difference"], rel=1e-4
        )
        if name == best:
            improvement = record["improvement"][metric]
            assert improvement == pytest.approx(soil.mean() / other.mean() - 1, rel=1e-4)


def test_a_missing_file_of_users_is_named_with_its_remedy(
    root: Path, tmp_path: Path, drawn_runs: Draw, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(root, tmp_path, "--models", "bpr,soil", "--seeds", "2")
    assert main(given) == 0
    assert "over 30 users" in capsys.readouterr().out
    (path,) = (tmp_path / "users").glob("bpr-tiny-seed1-*.npz")
    path.unlink()
    assert main(given) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "over 30 users" not in output
    assert "`run.py --models bpr --rerun` with the same data" in output
    record = record_of(tmp_path)
    assert (record["missing"], record["comparisons"]) == (["bpr"], [])
    assert record["best_other"] == "bpr"


def test_published_values_and_models_that_the_data_cannot_feed(
    root: Path, tmp_path: Path, drawn_runs: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (root / "tiny").glob("*_feat.npy"):
        path.unlink()
    published = load_config("lightgcn").published["baby"]
    config = load_config("lightgcn")
    monkeypatch.setitem(config.published, "tiny", published)
    monkeypatch.setattr("soil_bench.paper.table2.load_config", lambda name: config)
    assert main(arguments(root, tmp_path, "--seeds", "1")) == 0
    record = record_of(tmp_path)
    assert [row["model"] for row in record["rows"]] == ["bpr", "lightgcn"]
    assert record["left_out"] == ALL[2:]
    assert (record["best_other"], record["comparisons"]) == (None, [])
    table = pd.read_csv(tmp_path / "paper" / "table2-tiny.csv")
    assert table["ndcg@10 published"].tolist() == [published["ndcg@10"]] * 2
    assert table["ndcg@10 std"].isna().all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--models", "bpr,bpr"], "'--models' must name each model once"),
        (["--models", "bpr,sole"], "'sole' is not one of"),
        (["--profile", "published"], "--profile"),
        (["--dataset", "none"], "none.inter is missing"),
    ],
)
def test_errors(
    root: Path, tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["paper", *arguments(root, tmp_path / "out", *more)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_data_that_can_feed_no_model(root: Path, tmp_path: Path) -> None:
    for path in (root / "tiny").glob("*_feat.npy"):
        path.unlink()
    with pytest.raises(ValueError, match="'--models'"):
        main(arguments(root, tmp_path, "--models", "soil,mgcn"))


def test_from_the_arguments_to_the_table(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With runs that train."""
    code = {"code": "of the test"}
    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: code)
    more = ["--models", "bpr,soil", "--seeds", "1", "--profile", "paper"]
    assert run.main(["paper", *arguments(root, tmp_path, *more)]) == 0
    record = record_of(tmp_path)
    (soil,) = (row for row in record["rows"] if row["model"] == "soil")
    assert soil["profile"] == "paper"
    recall, ndcg = record["comparisons"]
    (bpr,) = (row for row in record["rows"] if row["model"] == "bpr")
    for found, metric in ((recall, "recall@20"), (ndcg, "ndcg@20")):
        expected = soil["test"][metric][0] - bpr["test"][metric][0]
        assert found["difference"] == pytest.approx(expected, abs=1e-6)
    output = capsys.readouterr().out
    assert "Test metrics of all models on tiny" in output
    assert "SOIL minus bpr, recall@20 over 30 users" in output
