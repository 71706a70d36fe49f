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
from soil_bench.paper.publication import SUFFIXES, render
from soil_bench.runs import jobs
from soil_bench.runs.results import METRICS, read_records
from soil_bench.runs.significance import holm
from soil_pyg.configs import load_config

ALL = ["bpr", "lightgcn", "vbpr", "lattice", "slmrec", "bm3", "freedom", "mgcn", "lgmrec", "soil"]
Draw = Callable[[dict[str, Any]], None]
RecordOf = Callable[[str], dict[str, Any]]


@pytest.fixture
def arguments(tiny: list[str]) -> list[str]:
    return ["table2", *tiny, "--epochs", "1"]


def test_all_models_and_their_metrics(
    arguments: list[str], drawn_runs: Draw, out: Path, record_of: RecordOf
) -> None:
    assert main(arguments) == 0
    table = pd.read_csv(out / "paper" / "table2-tiny.csv")
    assert table["model"].tolist() == ALL
    assert table["seeds"].tolist() == [3] * 10
    assert table["profile"].tolist()[-1] == "released"
    runs = pd.DataFrame(
        {"model": run["model"], **run["test"]}
        for run in read_records(out / "results.jsonl").values()
    )
    groups = runs.groupby("model")[METRICS]
    mean, std = groups.mean().loc[ALL], groups.std().loc[ALL]
    for name in METRICS:
        np.testing.assert_allclose(table[name], mean[name], rtol=1e-5)
        np.testing.assert_allclose(table[f"{name} std"], std[name], rtol=1e-5)
        assert table[f"{name} published"].isna().all()
    record = record_of("table2")
    assert [row["model"] for row in record["rows"]] == ALL
    assert (record["seeds"], record["epochs"], record["left_out"]) == (3, 1, [])


def test_models_with_finished_runs_are_the_default(
    arguments: list[str], drawn_runs: Draw, record_of: RecordOf
) -> None:
    assert main([*arguments, "--seeds", "1", "--models", "vbpr,soil,lightgcn"]) == 0
    assert main([*arguments, "--seeds", "1"]) == 0
    record = record_of("table2")
    assert [row["model"] for row in record["rows"]] == ["lightgcn", "vbpr", "soil"]
    assert record["models"] == "lightgcn,vbpr,soil"


def test_settings_are_those_with_the_best_val_metric(
    arguments: list[str], tiny: list[str], drawn_runs: Draw, out: Path, record_of: RecordOf
) -> None:
    bpr = [*tiny, "--models", "bpr"]
    for rate in ("0.002", "0.003", "0.004"):
        assert run.main([*bpr, "--epochs", "1", "--bpr.lr", rate]) == 0
    # Neither a lucky seed, nor more epochs, nor other batches per step count.
    for flags in ("--bpr.lr 0.005 --epochs 1", "--bpr.batches_per_step 2 --epochs 1", "--epochs 2"):
        assert run.main([*bpr, "--seeds", "1", *flags.split()]) == 0
    finished = list(read_records(out / "results.jsonl").values())
    by_rate: dict[float, list[float]] = {}
    for found in finished:
        settings = found["settings"]
        if (settings["epochs"], settings["batches_per_step"]) == (1, 1):
            by_rate.setdefault(settings["lr"], []).append(found["val"]["recall@20"])
    assert [len(values) for values in by_rate.values()] == [3, 3, 3, 1]
    best = max(list(by_rate)[:3], key=lambda rate: fmean(by_rate[rate]))
    assert main([*arguments, "--models", "bpr"]) == 0
    assert record_of("table2")["rows"][0]["val"] == by_rate[best]
    assert len(read_records(out / "results.jsonl")) == len(finished)


def test_files_for_a_paper(
    arguments: list[str],
    drawn_runs: Draw,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    record_of: RecordOf,
) -> None:
    for file_format, suffix in SUFFIXES.items():
        flags = ["--models", "bpr,soil", "--seeds", "1", "--format", file_format]
        assert main([*arguments, *flags]) == 0
        text = (out / "paper" / f"table2-tiny.{suffix}").read_text("utf-8")
        assert text == render(record_of("table2"), file_format)
        assert text in capsys.readouterr().out
    entries = (out / "paper" / "table2-tiny.bib").read_text("utf-8")
    assert "@inproceedings{bpr," in entries
    assert "@inproceedings{soil," in entries


def test_the_best_other_is_chosen_by_val(
    arguments: list[str], drawn_runs: Draw, out: Path, record_of: RecordOf
) -> None:
    assert main(arguments) == 0
    record = record_of("table2")
    finished = read_records(out / "results.jsonl")
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
        with np.load(out / "users" / f"{key}.npz") as arrays:
            for metric in ("recall@20", "ndcg@20"):
                values.setdefault(run_["model"], {}).setdefault(metric, []).append(arrays[metric])
    stats = pytest.importorskip("scipy.stats")
    tests = [found for found in record["comparisons"] if found["over"] == "users"]
    comparisons = {(found["other"], found["metric"]): found for found in tests}
    metrics = "recall@20", "ndcg@20"
    assert list(comparisons) == [(name, metric) for name in ALL[:-1] for metric in metrics]
    table = pd.read_csv(out / "paper" / "table2-tiny-significance.csv")
    table = table[table["over"] == "users"].set_index(["other", "metric"])
    for (name, metric), found in comparisons.items():
        soil, other = (np.mean(values[model][metric], axis=0) for model in ("soil", name))
        assert found["pairs"] == 30
        assert found["difference"] == pytest.approx((soil - other).mean(), abs=1e-6)
        assert found["p_t_test"] == pytest.approx(stats.ttest_rel(soil, other).pvalue, rel=1e-4)
        assert found["p_wilcoxon"] == pytest.approx(stats.wilcoxon(soil, other).pvalue, rel=1e-4)
        assert table.loc[(name, metric), "difference"] == pytest.approx(
            found["difference"], rel=1e-4
        )
        if name == best:
            improvement = record["improvement"][metric]
            assert 1 + improvement == pytest.approx(soil.mean() / other.mean(), rel=1e-6)
    for name in ("p_t_test", "p_wilcoxon"):
        assert [test[f"{name}_holm"] for test in tests] == holm([test[name] for test in tests])


def test_comparisons_over_seeds(
    arguments: list[str], drawn_runs: Draw, out: Path, record_of: RecordOf
) -> None:
    assert main([*arguments, "--models", "bpr,soil,lightgcn"]) == 0
    record, stats = record_of("table2"), pytest.importorskip("scipy.stats")
    of_model = {row["model"]: row["test"] for row in record["rows"]}
    tests = [found for found in record["comparisons"] if found["over"] == "seeds"]
    pairs = [(found["other"], found["metric"]) for found in tests]
    assert pairs == [(name, metric) for name in ("bpr", "lightgcn") for metric in METRICS]
    for found in tests:
        first, second = (of_model[name][found["metric"]] for name in ("soil", found["other"]))
        assert found["pairs"] == 3
        assert found["p_t_test"] == pytest.approx(stats.ttest_rel(first, second).pvalue)
        assert found["p_t_test"] <= found["p_t_test_holm"] <= 1


def test_a_missing_file_of_users_is_named_with_its_remedy(
    arguments: list[str],
    drawn_runs: Draw,
    capsys: pytest.CaptureFixture[str],
    out: Path,
    record_of: RecordOf,
) -> None:
    given = [*arguments, "--models", "bpr,soil", "--seeds", "2"]
    assert main(given) == 0
    assert "over 30 users" in capsys.readouterr().out
    (path,) = (out / "users").glob("bpr-tiny-seed1-*.npz")
    path.unlink()
    (out / "records" / "table2-tiny.json").unlink()
    assert main(given) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "over 30 users" not in output
    assert "`run.py --models bpr --rerun` with the same data" in output
    assert record_of("table2")["missing_options"] == {"bpr": {}}
    record = record_of("table2")
    assert record["missing"] == ["bpr"]
    assert {found["over"] for found in record["comparisons"]} == {"seeds"}
    assert record["best_other"] == "bpr"


def test_tests_of_the_same_runs_are_kept(
    arguments: list[str], drawn_runs: Draw, out: Path, record_of: RecordOf
) -> None:
    given = [*arguments, "--seeds", "2", "--models"]
    assert main([*given, "bpr,lightgcn,soil"]) == 0
    before, path = record_of("table2"), out / "records" / "table2-tiny.json"
    for file in (out / "users").glob("bpr-*.npz"):
        file.unlink()
    assert main([*given, "bpr,vbpr,lightgcn,soil"]) == 0
    record = record_of("table2")
    assert record["missing"] == []

    def of(record: dict[str, Any], model: str) -> list[dict[str, Any]]:
        tests = [found for found in record["comparisons"] if found["over"] == "users"]
        holm_free = [{k: v for k, v in found.items() if "holm" not in k} for found in tests]
        return [found for found in holm_free if found["other"] == model]

    assert of(record, "bpr") == of(before, "bpr") != []
    assert of(record, "lightgcn") == of(before, "lightgcn")
    assert len(of(record, "vbpr")) == 2
    tests = [found for found in record["comparisons"] if found["over"] == "users"]
    assert [t["p_t_test_holm"] for t in tests] == holm([t["p_t_test"] for t in tests])
    # Other runs, or a file that is no such record: nothing is kept.
    changed = json.loads(path.read_text())
    changed["rows"][0]["test"]["recall@20"][0] += 1e-9
    for text in (json.dumps(changed), "{}", "[]", "{"):
        path.write_text(text)
        assert main([*given, "bpr,vbpr,lightgcn,soil"]) == 0
        assert record_of("table2")["missing"] == ["bpr"]


def test_published_values_and_models_that_the_data_cannot_feed(
    arguments: list[str],
    root: Path,
    drawn_runs: Draw,
    monkeypatch: pytest.MonkeyPatch,
    out: Path,
    record_of: RecordOf,
) -> None:
    for path in (root / "tiny").glob("*_feat.npy"):
        path.unlink()
    published = load_config("lightgcn").published["baby"]
    config = load_config("lightgcn")
    monkeypatch.setitem(config.published, "tiny", published)
    monkeypatch.setattr("soil_bench.paper.table2.load_config", lambda name: config)
    assert main([*arguments, "--seeds", "1"]) == 0
    record = record_of("table2")
    assert [row["model"] for row in record["rows"]] == ["bpr", "lightgcn"]
    assert record["left_out"] == ALL[2:]
    assert (record["best_other"], record["comparisons"]) == (None, [])
    table = pd.read_csv(out / "paper" / "table2-tiny.csv")
    assert table["ndcg@10 published"].tolist() == [published["ndcg@10"]] * 2
    assert table["ndcg@10 std"].isna().all()


def test_data_that_can_feed_no_model(arguments: list[str], root: Path) -> None:
    for path in (root / "tiny").glob("*_feat.npy"):
        path.unlink()
    with pytest.raises(ValueError, match="'--models'"):
        main([*arguments, "--models", "soil,mgcn"])


def test_from_the_arguments_to_the_table(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record_of: RecordOf,
) -> None:
    """With runs that train."""
    code = {"code": "of the test"}
    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: code)
    more = ["--models", "bpr,soil", "--seeds", "1", "--profile", "paper"]
    assert run.main(["paper", *arguments, *more]) == 0
    record = record_of("table2")
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
