import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import run
from soil_bench.pages.paper import paper_sections
from soil_bench.runs.results import read_records
from soil_bench.studies.missing import (
    ZERO_MODELS,
    missing_report,
    random_mask,
    read_mask,
    with_mean_features,
    without_features,
)
from soil_bench.studies.zero_features import ZeroSOIL
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import SOIL
from soil_pyg.typing import ITEM, SECOND_ORDER

RecordOf = Callable[[str], dict[str, Any]]


@pytest.fixture
def arguments(tiny: list[str]) -> list[str]:
    return [*tiny, "--seeds", "2", "--epochs", "1"]


@pytest.mark.usefixtures("trained_runs")
def test_from_the_arguments_to_the_table(
    arguments: list[str], capsys: pytest.CaptureFixture[str], out: Path, record_of: RecordOf
) -> None:
    given = [*arguments, "--rates", "0.5", "--models", "soil,vbpr"]
    assert run.main(["missing", *given]) == 0
    record = record_of("missing")
    values = record["values"]
    assert {name: list(found) for name, found in values.items()} == {
        "lightgcn": ["reads no features"],
        "soil": ["leave out", "zero", "mean"],
        "vbpr": ["leave out", "mean"],
    }
    assert list(values["soil"]["leave out"]) == ["0", "0.5"]
    assert list(values["soil"]["zero"]) == ["0.5"]
    runs = read_records(out / "results.jsonl").values()
    assert len(runs) == 2 * (1 + 4 + 3)
    for name, found in values.items():
        for treatment, by_rate in found.items():
            for rate, metrics in by_rate.items():
                expected = [
                    run["test"]["recall@20"]
                    for run in runs
                    if run["model"] == (ZERO_MODELS["soil"] if treatment == "zero" else name)
                    and (run["dataset"] == "tiny") == (rate == "0")
                    and ("-mean-" in run["dataset"]) == (treatment == "mean")
                ]
                assert metrics["recall@20"] == expected
    soil, zero = (
        next(run["settings"] for run in runs if run["model"] == model and run["dataset"] != "tiny")
        for model in ("soil", ZERO_MODELS["soil"])
    )
    assert soil == zero
    output = capsys.readouterr().out
    assert "Missing features, tiny, 2 seeds, at most 1 epochs per run" in output
    assert run.main(["missing", *given]) == 0
    assert record_of("missing") == record


@pytest.mark.usefixtures("drawn_runs")
def test_a_mask_from_a_file(
    arguments: list[str], tmp_path: Path, out: Path, record_of: RecordOf
) -> None:
    mask, lost = tmp_path / "mask.json", {"image": [0, 7], "text": [7, 3, 3]}
    mask.write_text(json.dumps(lost))
    assert run.main(["missing", *arguments, "--mask", str(mask)]) == 0
    record = record_of("missing")
    # Of 20 items with three modalities.
    assert record["rates"] == ["0", str(4 / 60)]
    (folder,) = (out / "derived").glob("tiny-*-zeros-mask*-seed0")
    for modality in ("audio", "image", "text"):
        x = np.load(folder / f"{modality}_feat.npy")
        missing = np.flatnonzero((x == 0).all(axis=1))
        assert missing.tolist() == sorted(set(lost.get(modality, [])))
    (section,) = paper_sections(out / "records")
    assert f"--mask {mask}" in section
    assert "--rates" not in section


def test_the_masks_of_dgmrec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script of data/README.md on a mask in their form."""
    page = (Path(run.__file__).parents[1] / "data" / "README.md").read_text("utf-8")
    (script,) = re.findall(r"^```python\n((?:(?!```).)*mask\.json.*?)^```$", page, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    mask = {"t": np.array([1, 2]), "v": np.array([0]), "all": np.array([4])}
    np.save("missing_items_0.666.npy", np.array(mask, dtype=object), allow_pickle=True)
    exec(script, {})
    found = read_mask(Path("mask.json"), SyntheticMultimodal(20, 10)[0])
    lost = {name: is_lost.nonzero().flatten().tolist() for name, is_lost in found.items()}
    assert lost == {"image": [0, 4], "text": [1, 2, 4]}


@pytest.mark.parametrize(
    "content", ['{"smell": [1]}', "[1]", '{"image": [20]}', '{"image": ["a"]}']
)
def test_a_mask_that_does_not_fit_the_data(
    arguments: list[str], tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = tmp_path / "mask.json"
    mask.write_text(content)
    assert run.main(["missing", *arguments, "--mask", str(mask)]) == 2
    assert str(mask) in capsys.readouterr().err.replace("\n", "")
    assert run.main(["missing", *arguments, "--mask", str(mask), "--rates", "0.5"]) == 2


def test_table() -> None:
    def metrics(*values: float) -> dict[str, list[float]]:
        return {"recall@20": list(values), "ndcg@20": [value / 2 for value in values]}

    record = {
        "dataset": "tiny",
        "seeds": 1,
        "epochs": None,
        "rates": ["0", "0.1"],
        "values": {
            "lightgcn": {"reads no features": {"0": metrics(0.5)}},
            "soil": {
                "leave out": {"0": metrics(0.8), "0.1": metrics(0.7)},
                "mean": {"0.1": metrics(0.6)},
            },
        },
    }
    report = missing_report(record)
    assert report.columns == ["model", "missing", "metric", "0%", "10%"]
    assert report.rows == [
        ["lightgcn", "reads no features", "recall@20", "0.5000", "-"],
        ["lightgcn", "reads no features", "ndcg@20", "0.2500", "-"],
        ["soil", "leave out", "recall@20", "0.8000", "0.7000"],
        ["soil", "leave out", "ndcg@20", "0.4000", "0.3500"],
        ["soil", "mean", "recall@20", "0.8000", "0.6000"],
        ["soil", "mean", "ndcg@20", "0.4000", "0.3000"],
    ]


def test_features_that_are_missing() -> None:
    data = SyntheticMultimodal(20, 500)[0]
    few, many = (without_features(data, random_mask(data, rate, seed=0)) for rate in (0.1, 0.5))
    for modality in ("x_image", "x_text"):
        x, lost = data[ITEM][modality], []
        for less, rate in ((few, 0.1), (many, 0.5)):
            is_zero = (less[ITEM][modality] == 0).all(dim=1)
            assert float(is_zero.float().mean()) == pytest.approx(rate, abs=0.06)
            assert less[ITEM][modality][~is_zero].equal(x[~is_zero])
            lost.append(is_zero)
        assert not (lost[0] & ~lost[1]).any()
        assert not (x == 0).all(dim=1).any()
    lost = [(few[ITEM][name] == 0).all(dim=1) for name in ("x_image", "x_text")]
    assert not lost[0].equal(lost[1])
    other = without_features(data, random_mask(data, 0.1, seed=1))
    assert not (other[ITEM].x_image == 0).all(dim=1).equal(lost[0])


def test_mean_of_those_that_are_there() -> None:
    data = SyntheticMultimodal(20, 50, missing=0.3)[0]
    filled = with_mean_features(data)
    for modality in ("x_image", "x_text"):
        x, found = data[ITEM][modality], filled[ITEM][modality]
        lacks = (x == 0).all(dim=1)
        assert lacks.any()
        assert found[~lacks].equal(x[~lacks])
        mean = x[~lacks].double().mean(dim=0).float()
        torch.testing.assert_close(found[lacks], mean.expand(int(lacks.sum()), -1))
    data[ITEM].x_image.zero_()
    assert with_mean_features(data)[ITEM].x_image.eq(0).all()


@pytest.mark.parametrize("profile", ["paper", "released"])
def test_zeros_are_similar_to_themselves_alone(profile: str) -> None:
    data = SyntheticMultimodal(60, 40, missing=0.2)[0]
    options = {"k": 3, "k_i": 2, "k_a": 2}
    left_out, kept = (kind.graph_transform(profile, **options)(data) for kind in (SOIL, ZeroSOIL))
    assert kept[ITEM].x_image.equal(data[ITEM].x_image)
    lacks = (data[ITEM].x_image == 0).all(dim=1)
    assert lacks.any()
    assert not lacks.all()
    edge_type = (ITEM, "image_similar", ITEM)
    source, target = kept[edge_type].edge_index
    of_zeros = lacks[source] | lacks[target]
    assert source[of_zeros].equal(target[of_zeros])
    assert set(source[of_zeros].tolist()) == set(lacks.nonzero().view(-1).tolist())
    source, target = left_out[edge_type].edge_index
    assert not (lacks[source] | lacks[target]).any()
    user, item = kept[SECOND_ORDER].edge_index
    any_lack = lacks | (data[ITEM].x_text == 0).all(dim=1)
    history = data["user", "interacts", "item"].edge_index
    pairs = set(zip(*history.tolist(), strict=True))
    for u, i in zip(user.tolist(), item.tolist(), strict=True):
        assert not any_lack[i] or (u, i) in pairs
    assert left_out[SECOND_ORDER].edge_index.size(1) > 0
    assert any_lack[left_out[SECOND_ORDER].edge_index[1]].any()


def test_without_missing_features_nothing_differs() -> None:
    data = SyntheticMultimodal(60, 40)[0]
    first, second = (kind.graph_transform("released", k=3)(data) for kind in (SOIL, ZeroSOIL))
    for edge_type in first.edge_types:
        if "adjacency" in first[edge_type]:
            assert (
                first[edge_type].adjacency.to_dense().equal(second[edge_type].adjacency.to_dense())
            )
