import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import run

pytest.importorskip("matplotlib")


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    sizes = ["--items", "400", "200", "--whole-up-to", "200", "--naive-up-to", "200"]
    few = ["--steps", "2", "--batch-size", "256", "--part-users", "200", "--parts", "2"]
    channels = ["--channels", '{"image": 8, "smell": 5}']
    root = tmp_path / "root" / "ml1m"
    root.mkdir(parents=True)
    for modality in ("image", "smell"):
        np.save(root / f"{modality}_feat.npy", np.random.default_rng(0).random((30, 12)))
    few += ["--root", str(root.parent)]
    return ["scale", *sizes, *few, *channels, "--out", str(tmp_path / "out")]


GRAPHS = ["draw_structured", "build_fast"]
SMALL = [*GRAPHS, "train", "build_naive", "epoch_naive", *GRAPHS, *GRAPHS]
LARGE = [*GRAPHS, "train", "train_parts", *GRAPHS, *GRAPHS]


def test_from_the_arguments_to_the_picture(
    calls: list[str], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run.main(arguments) == 0
    assert calls == SMALL + LARGE
    report = json.loads((out / "scale.json").read_text())
    assert [size["source"] for size in report["sizes"]] == ["mixture", "posters", "styles"] * 2
    small, large = report["sizes"][::3]
    assert (small["items"], small["users"], large["items"], large["users"]) == (200, 400, 400, 800)
    assert small["graphs"]["size"]["interactions"] == pytest.approx(8 * 400, rel=0.25)
    assert not small["training"]["extrapolated"]
    assert len(small["training"]["steps"]) == small["training"]["batches"]
    assert large["training"]["extrapolated"]
    assert len(large["training"]["steps"]) == 2 < large["training"]["batches"]
    estimate = large["training"]["batches"] * sum(large["training"]["steps"]) / 2
    assert large["training"]["epoch_seconds"] == pytest.approx(estimate, rel=0.5)
    assert large["sampled"]["extrapolated"]
    assert large["sampled"]["parts"] == 4
    assert set(report["exponents"]["time"]) == {"graphs", "epoch"}
    assert {"naive_graphs", "naive_training"} <= set(small)
    assert out.joinpath("scale.png").read_bytes().startswith(b"\x89PNG")
    output = capsys.readouterr().out
    assert "Exponent of time in the number of items: graphs" in output
    assert re.search(r"│ 800 +│ +400 │ +~\d", output)
    assert sorted(path.name for path in out.iterdir()) == ["scale.json", "scale.jsonl", "scale.png"]

    assert run.main(arguments) == 0
    assert calls == SMALL + LARGE
    assert capsys.readouterr().out.count("measured before, not measured again") == 11


@pytest.mark.slow
def test_an_interrupted_run_goes_on(
    calls: list[str], arguments: list[str], tmp_path: Path, failing: Callable[..., Any]
) -> None:
    with failing(
        lambda name, given: name == "train" and given["steps"] is not None, KeyboardInterrupt()
    ):
        assert run.main(arguments) == 130
    assert calls == [*SMALL, *LARGE[:2]]
    assert len((tmp_path / "out" / "scale.jsonl").read_text().splitlines()) == 7
    assert run.main(arguments) == 0
    assert calls == SMALL + LARGE


def test_a_size_that_fails_leaves_the_others(
    arguments: list[str],
    tmp_path: Path,
    failing: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with failing(
        lambda _, given: "graphs" in given and given.get("steps", 0) is None,
        RuntimeError("as told"),
    ):
        arguments[arguments.index("--naive-up-to") + 1] = "0"
        assert run.main(arguments) == 1
    assert "failed: train: items 200" in capsys.readouterr().err
    small, large = json.loads((tmp_path / "out" / "scale.json").read_text())["sizes"][::3]
    assert "training" not in small
    assert "training" in large


def test_without_the_features_of_posters(
    calls: list[str], arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "root" / "ml1m" / "smell_feat.npy").unlink()
    arguments[2:4] = ["100"]
    assert run.main([*arguments, "--features", "posters", "styles"]) == 0
    (size,) = json.loads((tmp_path / "out" / "scale.json").read_text())["sizes"]
    assert (size["source"], size["items"]) == ("styles", 100)
    assert "training" in size


def test_without_matplotlib(
    calls: list[str],
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run.main(arguments) == 2
    assert "matplotlib" in capsys.readouterr().err
    assert calls == []
