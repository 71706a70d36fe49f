import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch_geometric.data import HeteroData

from soil_pyg import add_items, add_users, cli, recommend, similar
from soil_pyg.datasets.data_folder import save_data_folder
from soil_pyg.datasets.new_items import read_new_items
from soil_pyg.runs.trained_model import TrainedModel

USERS = pd.DataFrame({"user": ["zoe", "zoe", "max"], "item": ["item 1", "item 2", "item 4"]})


@pytest.fixture
def trained(
    tmp_path: Path,
    featured_data: Callable[..., HeteroData],
    random_run: Callable[..., TrainedModel],
) -> TrainedModel:
    folder = tmp_path / "data"
    folder.mkdir()
    data = featured_data(2)
    save_data_folder(folder, data, None, {})
    rng = np.random.default_rng(2)
    for name, ids, size in [("image", ["chai", "rum"], 5), ("text", ["chai", "gin"], 4)]:
        frame = pd.DataFrame({"item": ids, "vector": list(rng.standard_normal((2, size)))})
        frame.to_parquet(tmp_path / f"{name}.parquet")
    USERS.to_csv(tmp_path / "users.csv", index=False)
    return random_run(data, "soil", folder=folder, k=3, k_i=2)


def flags(tmp_path: Path) -> list[str]:
    return ["--new-items", *(f"{name}={tmp_path / name}.parquet" for name in ("image", "text"))]


def read(capfd: pytest.CaptureFixture[str]) -> pd.DataFrame:
    out, err = capfd.readouterr()
    assert err == ""
    return pd.read_csv(io.StringIO(out))


def test_recommend(
    trained: TrainedModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["recommend", str(trained.folder), "--users", "zoe,70", "--k", "30"]
    command += ["--format", "csv"]
    assert cli.main([*command, *flags(tmp_path), "--new-users", str(tmp_path / "users.csv")]) == 0
    frame = read(capfd)
    names = ("image", "text")
    ids, features = read_new_items({name: tmp_path / f"{name}.parquet" for name in names})
    assert ids.tolist() == ["chai", "gin", "rum"]
    assert not features["image"][1].any()
    larger = add_users(add_items(trained, None, features, ids), None, USERS)
    expected = recommend(larger, ["zoe", 70], k=30)
    assert frame["item"].tolist() == expected["item"].tolist()
    np.testing.assert_allclose(frame["score"], expected["score"], rtol=1e-5)
    assert {"chai", "gin", "rum"} <= set(frame["item"])
    assert not {"item 1", "item 2"} & set(frame.loc[frame["user"] == "zoe", "item"])


def test_similar(trained: TrainedModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["similar", str(trained.folder), "--format", "csv", "--k", "4"]
    assert cli.main([*command, "--items", "chai", *flags(tmp_path)]) == 0
    assert read(capfd)["item"].tolist() == ["chai"] * 4
    assert cli.main([*command, "--users", "zoe", "--new-users", str(tmp_path / "users.csv")]) == 0
    frame = read(capfd)
    larger = add_users(trained, None, USERS)
    assert frame["similar"].astype(str).tolist() == [
        str(user) for user in similar(larger, users=["zoe"], k=4)["similar"]
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--new-items", "new.parquet"], "'--new-items' must be NAME=FILE.*'new.parquet'"),
        (["--new-items", "a=b", "a=c"], "'--new-items'.*'a'"),
        (["--new-items", "image=nowhere.parquet"], "nowhere.parquet"),
        (["--new-users", "nowhere.csv"], "nowhere.csv"),
        (["--new-items", "smell={}/image.parquet"], "'--new-items'.*'smell'"),
        (["--new-items", "image={}/image.parquet", "--index"], "'--index'.*'--new-items'"),
        (["--deny", "zoe"], "zoe"),
    ],
)
def test_wrong_input(
    trained: TrainedModel,
    tmp_path: Path,
    refused: Callable[..., str],
    given: list[str],
    message: str,
) -> None:
    texts = [text.format(tmp_path) for text in given]
    assert re.search(message, refused("recommend", trained.folder, "--users", "all", *texts))


def test_features_of_new_items_are_not_compared(
    trained: TrainedModel, tmp_path: Path, refused: Callable[..., str]
) -> None:
    command = ["similar", trained.folder, "--items", "chai", "--by", "image"]
    assert re.search("'--by'.*'--new-items'", refused(*command, *flags(tmp_path)))
    ids, features = read_new_items({"text": tmp_path / "text.parquet"})
    larger = add_items(trained, None, features, ids)
    with pytest.raises(ValueError, match=r"'by'.*'image'"):
        similar(larger, items=["chai"], by="image")
