import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_bench.paper.command import main
from soil_bench.paper.table1 import published_statistics
from soil_pyg.datasets import Amazon, MovieLens, TikTok


def test_statistics_of_the_files(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = root / "tiny"
    features = np.load(folder / "image_feat.npy")
    features[[3, 5]] = 0
    np.save(folder / "image_feat.npy", features)
    # User 30 has no training interactions.
    with (folder / "tiny.inter").open("a") as file:
        file.write("30\t0\t1\n30\t1\t2\n")
    pairs = pd.read_csv(folder / "tiny.inter", sep="\t")

    given = ["--dataset", "tiny", "--root", str(root), "--out", str(tmp_path / "out")]
    assert main(["table1", *given]) == 0
    path = tmp_path / "out" / "paper" / "table1-tiny.csv"
    table = pd.read_csv(path, index_col="quantity")
    trained = pairs[pairs.x_label == 0]
    assert table["value"].to_dict() == pytest.approx(
        {
            "users": 30,
            "items": 20,
            "interactions": 240,
            "sparsity": 1 - 240 / 600,
            "train interactions": 180,
            "val interactions": 30,
            "test interactions": 30,
            "users dropped": 1,
            "items without training interactions": 20 - trained.itemID.nunique(),
            "audio: dimensions": 4,
            "audio: items without": 0,
            "image: dimensions": 6,
            "image: items without": 2,
            "text: dimensions": 5,
            "text: items without": 0,
        }
    )
    assert table["published"].isna().all()
    assert "users,30," in path.read_text()
    text = capsys.readouterr().out
    assert "Statistics of tiny" in text
    assert "60.00%" in text


def test_published_statistics() -> None:
    found = published_statistics("baby")
    assert found["users"] == 19_445
    assert found["test interactions"] == 21_682
    assert found["sparsity"] == pytest.approx(0.9988, abs=5e-5)
    assert (
        sum(found[f"{split} interactions"] for split in ("train", "val", "test"))
        == (found["interactions"])
    )
    assert set(published_statistics("sports")) == {"users", "items", "interactions", "sparsity"}
    assert published_statistics("tiny") == {}
    for dataset in {**Amazon.published, **MovieLens.published, **TikTok.published}:
        assert not math.isnan(published_statistics(dataset)["sparsity"])
