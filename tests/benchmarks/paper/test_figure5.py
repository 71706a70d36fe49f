from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soil_bench.paper.command import main
from soil_bench.paper.figure5 import draw_curves, report
from soil_pyg.cli.parser import UsageError

pytest.importorskip("matplotlib")


def curve(std: float) -> pd.DataFrame:
    table = pd.DataFrame({"k_a": [1, 2, 5]})
    for name, mean in {"recall@20": [0.1, 0.3, 0.2], "ndcg@20": [0.4, 0.5, 0.6]}.items():
        table[name] = mean
        table[f"val {name}"] = [0.2, 0.1, 0.3]
        table[f"{name} std"] = table[f"val {name} std"] = std
        table[f"{name} published"] = [np.nan, 0.45, np.nan]
    return table


def test_from_the_arguments_to_the_files(
    root: Path,
    tmp_path: Path,
    drawn_runs: Callable[[dict[str, Any]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = ["figure5", "--dataset", "tiny", "--root", str(root), "--device", "cpu"]
    arguments = [*data, "--out", str(tmp_path / "out"), "--seeds", "2"]
    assert main(arguments) == 0
    folder = tmp_path / "out" / "paper"
    names = ["figure5-tiny.csv", "figure5-tiny.pdf", "figure5-tiny.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    table = pd.read_csv(folder / "figure5-tiny.csv")
    assert table["k_a"].tolist() == list(range(1, 11))
    # As the runs are drawn, the best val metric is the worst test metric.
    worst = table["k_a"][table["recall@20"].argmin()]
    output = capsys.readouterr().out
    assert f"Best val Recall@20: k_a {worst}\n" in output
    assert main([*arguments, "--k_a", "4", "2"]) == 0
    assert "finished before" in capsys.readouterr().out
    again = pd.read_csv(folder / "figure5-tiny.csv")
    pd.testing.assert_frame_equal(again, table[table["k_a"].isin([2, 4])].reset_index(drop=True))
    with pytest.raises(UsageError, match="k_a"):
        main([*arguments, "--k_a", "0"])


def test_what_is_drawn() -> None:
    from matplotlib.figure import Figure

    table, figure = curve(std=0.01), Figure()
    draw_curves(figure, "the title", table)
    assert figure.get_suptitle() == "the title"
    labels = ["mean", "± standard deviation", "best val Recall@20", "published"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
    for axes, name in zip(figure.axes, ["Recall@20", "NDCG@20"], strict=True):
        mean = table[name.lower()]
        line, published = axes.lines
        np.testing.assert_array_equal(line.get_xydata(), table[["k_a", name.lower()]])
        np.testing.assert_array_equal(published.get_ydata(), [np.nan, 0.45, np.nan])
        band, circle = axes.collections
        x, y = band.get_paths()[0].vertices.T
        for place, value in zip(table["k_a"], mean, strict=True):
            assert y[x == place].min() == pytest.approx(value - 0.01)
            assert y[x == place].max() == pytest.approx(value + 0.01)
        assert circle.get_offsets().tolist() == [[5, mean[2]]]
        assert axes.get_xticks().tolist() == [1, 2, 5]
        assert axes.get_ylabel() == f"test {name}"
        assert axes.get_xlabel() == "second-order items per user, $k_a$"


def test_one_seed_has_no_band() -> None:
    from matplotlib.figure import Figure

    table, figure = curve(std=np.nan), Figure()
    table["recall@20 published"] = table["ndcg@20 published"] = np.nan
    draw_curves(figure, "", table)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["mean", "best val Recall@20"]


def test_the_printed_table() -> None:
    found = report(curve(std=0.01), "what")
    names = ["val recall@20", "test recall@20", "val ndcg@20", "test ndcg@20"]
    assert found.columns == ["k_a", *names]
    cells = ["5", *(f"{value} ± 0.0100" for value in ("0.3000", "0.2000", "0.3000", "0.6000"))]
    assert found.rows[2] == cells
    assert found.notes == ["what", "Best val Recall@20: k_a 5"]
