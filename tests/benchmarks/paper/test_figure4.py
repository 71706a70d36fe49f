import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soil_bench.paper.command import main
from soil_bench.paper.figure4 import HeatMap, draw_heat_maps, heat_map, report
from soil_pyg.cli.parser import UsageError

pytest.importorskip("matplotlib")
Draw = Callable[[dict[str, Any]], None]


@pytest.fixture
def arguments(root: Path, tmp_path: Path) -> list[str]:
    data = ["figure4", "--dataset", "tiny", "--root", str(root), "--device", "cpu"]
    return [*data, "--out", str(tmp_path / "out")]


def test_from_the_arguments_to_the_files(
    arguments: list[str], tmp_path: Path, drawn_runs: Draw, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = ["--l_ui", "0.1", "0.01", "--l_ii", "1", "0.01", "0.001"]
    assert main([*arguments, *weights, "--k", "10", "5", "--k_i", "10", "--seeds", "2"]) == 0
    folder = tmp_path / "out" / "paper"
    names = ["figure4-tiny.csv", "figure4-tiny.pdf", "figure4-tiny.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    table = pd.read_csv(folder / "figure4-tiny.csv")
    losses = [(*point, 10, 10) for point in itertools.product([0.01, 0.1], [0.001, 0.01, 1.0])]
    sizes = [(0.01, 0.01, 5, 10), (0.01, 0.01, 10, 10)]
    points = table[["l_ui", "l_ii", "k", "k_i"]].itertuples(index=False, name=None)
    assert list(points) == losses + sizes
    assert table["heat map"].tolist() == ["l_ui x l_ii"] * 6 + ["k x k_i"] * 2
    # The point that both heat maps have is run once.
    assert table["recall@20"][1] == table["recall@20"][7]
    assert (tmp_path / "out" / "results.jsonl").read_text().count("\n") == 2 * 7
    output = capsys.readouterr().out
    assert "Test recall@20 by l_ui (rows) and l_ii" in output
    assert (
        output.count("SOIL (released profile) on tiny, mean ± standard deviation of 2 seeds") == 2
    )
    best = table[:6].sort_values("val recall@20").iloc[-1]
    assert f"Best by the val metric: l_ui {best['l_ui']:g}, l_ii {best['l_ii']:g}" in output


def test_the_grids_of_the_paper(arguments: list[str], tmp_path: Path, drawn_runs: Draw) -> None:
    assert main([*arguments, "--seeds", "1", "--profile", "paper"]) == 0
    table = pd.read_csv(tmp_path / "out" / "paper" / "figure4-tiny.csv")
    assert len(table) == 32
    assert table["l_ui"].unique().tolist() == [0.001, 0.01, 0.1, 1]
    assert table["k_i"][16:].unique().tolist() == [5, 10, 15, 20]
    assert table["recall@20 std"].isna().all()


def test_a_heat_map_of_a_table() -> None:
    table = pd.DataFrame({"k": [5, 5, 10, 10], "k_i": [1, 2, 1, 2], "recall@20": [1, 2, 3, 4]})
    table["recall@20 std"] = [0.1, 0.2, 0.3, 0.4]
    table["val recall@20"] = [4, 8, 6, 2]
    heat = heat_map(table[::-1], "k", "k_i")
    assert (heat.rows, heat.columns, heat.best) == ([5, 10], [1, 2], (0, 1))
    assert heat.mean.tolist() == [[1, 2], [3, 4]]
    assert heat.std.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    found = report(heat, "what")
    assert found.columns == ["k", "k_i 1", "k_i 2"]
    assert found.rows[0] == ["5", "1.0000 ± 0.1000", "2.0000 ± 0.2000"]
    assert found.notes == ["what", "Best by the val metric: k 5, k_i 2"]


def test_what_is_drawn() -> None:
    from matplotlib.figure import Figure

    mean = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.9]])
    unknown = np.full((2, 3), np.nan)
    heat = HeatMap(("l_ui", "l_ii"), [0.01, 1.0], [0.001, 0.1, 1.0], mean, mean / 100, (1, 0))
    other = HeatMap(("k", "k_i"), [5, 10], [5, 10, 15], mean, unknown, (0, 2))
    figure = Figure()
    draw_heat_maps(figure, "the title", [heat, other])
    assert figure.get_suptitle() == "the title"
    left, right, *bars = figure.axes
    assert [bar.get_ylabel() for bar in bars] == ["test Recall@20"] * 2
    np.testing.assert_array_equal(left.images[0].get_array(), mean)
    assert left.images[0].origin == "lower"
    assert [text.get_text() for text in left.get_xticklabels()] == ["0.001", "0.1", "1"]
    assert [text.get_text() for text in left.get_yticklabels()] == ["0.01", "1"]
    assert left.get_ylabel() == "weight of user-item contrast, $l_{ui}$"
    assert left.get_xlabel() == "weight of item-item contrast, $l_{ii}$"
    assert (right.get_ylabel()[-3:], right.get_xlabel()[-5:]) == ("$k$", "$k_i$")
    texts = {text.get_position(): text.get_text() for text in left.texts}
    assert texts[2, 1] == "0.9000\n±0.0090"
    assert len(texts) == 6
    assert {text.get_text() for text in right.texts} >= {"0.1000", "0.9000"}
    # Black on the bright end of the colours, white on the dark one.
    colours = {text.get_text(): text.get_color() for text in right.texts}
    assert (colours["0.1000"], colours["0.9000"]) == ("white", "black")
    for axes, (row, column) in ((left, heat.best), (right, other.best)):
        (outline,) = axes.patches
        np.testing.assert_allclose(outline.get_center(), (column, row))


@pytest.mark.parametrize(
    "wrong", [["--l_ui", "-1"], ["--k", "0"], ["--k_i", "1.5"], ["--k"], ["--profile", "other"]]
)
def test_wrong_arguments(arguments: list[str], tmp_path: Path, wrong: list[str]) -> None:
    with pytest.raises(UsageError, match=wrong[0].strip("-")):
        main([*arguments, *wrong])
    assert not (tmp_path / "out").exists()


def test_without_matplotlib_nothing_is_run(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="matplotlib"):
        main(arguments)
    assert not (tmp_path / "out").exists()
