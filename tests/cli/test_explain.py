import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from torch_geometric.data import HeteroData

from soil_pyg import cli
from soil_pyg.datasets.data_folder import save_data_folder
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import ITEM
from soil_pyg.workflow.explain import explain


@pytest.fixture
def trained(
    tmp_path: Path,
    featured_data: Callable[..., HeteroData],
    random_run: Callable[..., TrainedModel],
) -> TrainedModel:
    data = featured_data(2)
    titles = [None if i == 4 else f"Title {i}" for i in range(25)]
    items = pd.DataFrame({"item": data[ITEM].id, "title": titles})
    folder = tmp_path / "data"
    folder.mkdir()
    save_data_folder(folder, data, items, {})
    return random_run(data, "soil", folder=folder, k=3, k_i=2)


def test_items(trained: TrainedModel, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["explain", str(trained.folder), "--user", "70", "--item", "item 2"]
    assert cli.main([*command, "--format", "csv"]) == 0
    out, err = capfd.readouterr()
    expected = explain(trained, 70, "item 2")
    frame = pd.read_csv(io.StringIO(out))
    assert list(frame) == ["kind", "via", "title", "value"]
    assert frame["value"].sum() == pytest.approx(expected.score, abs=1e-5)
    assert frame["via"].fillna("").tolist() == expected.by_item()["via"].fillna("").tolist()
    for row in frame.itertuples():
        has_title = row.kind != "own" and row.via != "item 4"
        assert pd.isna(row.title) != has_title
        assert not has_title or row.title == row.via.replace("item", "Title")
    numbers = (f"{len(expected.parts)}", f"{expected.total:.6f}", f"{expected.score:.6f}")
    assert all(word in err for word in ("user 70", "item item 2", *numbers))
    assert err.count("\n") == 1


def test_other_tables_and_formats(
    trained: TrainedModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["explain", str(trained.folder), "--user", "70", "--item", "item 2"]
    expected = explain(trained, 70, "item 2")
    assert cli.main([*command, "--by", "modality", "--format", "json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert [row["modality"] for row in rows] == expected.by_modality()["modality"].tolist()
    assert sum(row["value"] for row in rows) == pytest.approx(expected.score, abs=1e-5)
    out = tmp_path / "parts.parquet"
    assert cli.main([*command, "--by", "part", "--out", str(out)]) == 0
    frame = pd.read_parquet(out)
    assert list(frame)[:5] == ["kind", "modality", "item_modality", "via", "title"]
    assert len(frame) == len(expected.parts)
    assert capfd.readouterr().out == ""
    assert cli.main(command) == 0
    assert "second_order" in capfd.readouterr().out


def test_data_elsewhere_and_without_titles(
    trained: TrainedModel,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    refused: Callable[..., str],
) -> None:
    (tmp_path / "data").rename(tmp_path / "moved")
    command = ["explain", str(trained.folder), "--user", "70", "--item", "item 2"]
    assert "--data" in refused(*command)
    assert cli.main([*command, "--data", str(tmp_path / "moved"), "--format", "csv"]) == 0
    assert "Title" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--user": "7"}, "'--user'.*'7'"),
        ({"--item": "beer"}, "'--item'.*'beer'"),
        ({"--by": "day"}, "--by: .*day"),
        ({"--format": "xml"}, "--format: .*xml"),
    ],
)
def test_wrong_input(
    trained: TrainedModel, refused: Callable[..., str], changed: dict[str, str], message: str
) -> None:
    flags = {"--user": "70", "--item": "item 2"} | changed
    flat = [text for pair in flags.items() for text in pair]
    assert re.search(message, refused("explain", trained.folder, *flat))


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "--help"]) == 0
    assert "soil-pyg explain RUN --user ann --item milk" in capsys.readouterr().out
