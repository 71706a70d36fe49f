from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

import soil_pyg
from soil_bench.paper.command import main
from soil_bench.paper.figure7 import (
    Distribution,
    cosines,
    distribution,
    draw_distributions,
    report,
    rows_of,
)
from soil_bench.runs.run_job import load_data
from soil_pyg.cli.parser import UsageError
from soil_pyg.models import SOIL

pytest.importorskip("matplotlib")


@pytest.mark.usefixtures("trained_runs")
def test_from_the_arguments_to_the_files(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = ["figure7", "--dataset", "tiny", "--root", str(root), "--device", "cpu"]
    arguments = [*given, "--seeds", "2", "--epochs", "1", "--out", str(out)]
    assert main([*arguments, "--bins", "8"]) == 0
    names = ["figure7-tiny.csv", "figure7-tiny.pdf", "figure7-tiny.png"]
    assert sorted(path.name for path in (out / "paper").iterdir()) == names
    table = pd.read_csv(out / "paper" / "figure7-tiny.csv")
    assert len(table) == 2 * 2 * 8
    assert "SOIL (released profile) on tiny" in capsys.readouterr().out

    data = SOIL.graph_transform("released")(load_data("tiny", str(root)))
    expected: dict[tuple[str, str], list[torch.Tensor]] = {}
    for folder in sorted((out / "runs").iterdir()):
        trained = soil_pyg.load(folder)
        losses = {(0.01, 0.01): "with", (0.0, 0.0): "without"}
        options = trained.run["options"]
        name = losses[options["l_ui"], options["l_ii"]]
        with torch.no_grad():
            views = trained.model.views(data)
        for nodes, place in {"users": 0, "items": 1}.items():
            content, side = views["content"][place], views["side"][place]
            expected.setdefault((nodes, name), []).append(F.cosine_similarity(content, side))
    assert len(expected) == 4
    for (nodes, name), values in expected.items():
        rows = table[(table["nodes"] == nodes) & (table["contrastive losses"] == name)]
        means = torch.stack([value.mean() for value in values])
        np.testing.assert_allclose(rows["mean"], means.mean(), rtol=1e-4)
        np.testing.assert_allclose(rows["mean std"], means.std(), rtol=1e-3)
        assert (rows["count"] == {"users": 30, "items": 20}[nodes]).all()
        # Each bin is a quarter wide.
        assert (rows["density"].sum() * 0.25) == pytest.approx(1, abs=1e-4)
        inside = [(value.numpy() >= 0.5) & (value.numpy() < 0.75) for value in values]
        density = np.mean(inside) / 0.25
        assert rows[rows["from"] == 0.5]["density"].item() == pytest.approx(density, abs=1e-4)
    with pytest.raises(UsageError, match="bins"):
        main([*arguments, "--bins", "0"])


def test_embeddings_of_zero_have_no_cosine() -> None:
    first = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    second = torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 0.0], [-1.0, 1.0]])
    np.testing.assert_allclose(cosines(first, second), [1.0, -(0.5**0.5)], rtol=1e-6)


def test_the_mean_density_over_seeds() -> None:
    values = [np.array([-1.0, 0.2, 0.3, 1.0]), np.array([-0.2, -0.1, 0.2, 0.9])]
    found = distribution("users", "with", values, num_bins=4)
    assert found.edges.tolist() == [-1, -0.5, 0, 0.5, 1]
    # A quarter of the values in a bin of width one half is a density of one half.
    np.testing.assert_allclose(found.density, [0.25, 0.5, 0.75, 0.5])
    np.testing.assert_allclose(found.density_std, np.array([0.25, 0.5, 0.25, 0]) * 2**0.5)
    assert found.mean == pytest.approx(0.1625)
    assert found.mean_std == pytest.approx(0.075 / 2**0.5)
    table = rows_of(found)
    assert (table["to"] - table["from"]).tolist() == [0.5] * 4
    single = distribution("users", "with", values[:1], num_bins=4)
    assert np.isnan(single.density_std).all()
    with pytest.raises(ValueError, match="consistency of the items is undefined"):
        distribution("items", "with", [np.empty(0)], num_bins=4)


def test_what_is_drawn() -> None:
    from matplotlib.figure import Figure

    edges = np.linspace(-1, 1, 5)
    density = np.array([0, 0.5, 1.5, 0])
    other = np.array([0, 0, 0.5, 1.5])
    found = [
        Distribution(nodes, losses, 9, edges, values, values, mean, np.nan)
        for nodes in ("users", "items")
        for losses, values, mean in (("with", other, 0.6), ("without", density, 0.125))
    ]
    figure = Figure()
    draw_distributions(figure, "the title", found)
    assert figure.get_suptitle() == "the title"
    for axes, nodes in zip(figure.axes, ["users", "items"], strict=True):
        assert axes.get_ylabel() == f"density of {nodes}"
        assert axes.get_xlabel() == "cosine of content and side embedding"
        assert axes.get_xlim() == (-0.5, 1)
        shapes = [patch.get_data() for patch in axes.patches]
        for shape, values in zip(shapes, [other, other, density, density], strict=True):
            np.testing.assert_array_equal(shape.values, values)
            np.testing.assert_array_equal(shape.edges, edges)
        assert [line.get_xdata()[0] for line in axes.lines] == [0.6, 0.125]
        texts = [text.get_text() for text in axes.get_legend().get_texts()]
        assert texts == [
            "with contrastive losses: mean 0.600",
            "without contrastive losses: mean 0.125",
        ]
        styles = {patch.get_linestyle() for patch in axes.patches if not patch.get_fill()}
        assert styles == {"-", "--"}


def test_the_printed_table() -> None:
    edges = np.linspace(-1, 1, 3)
    found = Distribution("users", "with", 1234, edges, edges[:2], edges[:2], 0.5, 0.01)
    assert report([found], "what").rows == [["users", "with", "1,234", "0.500 ± 0.010"]]
