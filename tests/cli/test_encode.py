from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg import add_items, encode, train
from soil_pyg.cli import main
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.encoders import TfidfEncoder
from soil_pyg.typing import INTERACTS

COMMAND = ["--like", "DATA", "--embed", "text=title:tfidf", "--out", "NEW"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with data whose texts are encoded and tables of new items."""
    monkeypatch.chdir(tmp_path)
    user, item = SyntheticMultimodal(num_users=40, num_items=20)[0][INTERACTS].edge_index.numpy()
    pd.DataFrame({"user": user, "sku": [f"0{i}" for i in item]}).to_csv("p.csv", index=False)
    titles = [f"{n % 5} tea of {n % 3} leaves" for n in range(20)]
    items = pd.DataFrame({"sku": [f"0{n}" for n in range(20)], "title": titles})
    items.to_csv("items.csv", index=False)
    new = pd.DataFrame({"sku": ["a1", "007x"], "title": ["1 tea", "2 leaves of nettles"]})
    new.to_csv("new.csv", index=False)
    argv = ["prepare", "p.csv", "--item-column", "sku", "--items", "items.csv", "--out", "DATA"]
    assert main([*argv, "--embed", "text=title:tfidf"]) == 0
    return tmp_path


def test_tables_of_vectors(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "new.csv", *COMMAND]) == 0
    assert "text: missing for 0 of 2 items" in capsys.readouterr().err
    assert [path.name for path in Path("NEW").iterdir()] == ["text.parquet"]
    table = pd.read_parquet("NEW/text.parquet")
    features, ids = encode("new.csv", {"text": TfidfEncoder("title")}, "DATA")
    assert list(table) == ["sku", "vector"]
    assert table["sku"].tolist() == ids.tolist() == ["a1", "007x"]
    assert np.array_equal(np.stack(table["vector"]), features["text"])


def test_new_items_of_a_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = train("DATA", "RUN", "bpr", epochs=1, progress=False)
    assert main(["encode", "new.csv", *COMMAND]) == 0
    capsys.readouterr()
    argv = ["similar", "RUN", "--items", "a1", "--k", "3", "--format", "csv"]
    assert main([*argv, "--new-items", "text=NEW/text.parquet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("sku,")
    assert len(lines) == 4
    features, ids = encode("new.csv", {"text": TfidfEncoder("title")}, "DATA")
    larger = add_items("RUN", None, features, ids.tolist())
    assert larger.item_id[-2:].tolist() == ["a1", "007x"]
    assert trained is not None


def test_refusals(place: Path, refused: Callable[..., str]) -> None:
    without = [flag for flag in COMMAND if flag not in ("--embed", "text=title:tfidf")]
    assert "'--embed' must name at least one encoder" in refused("encode", "new.csv", *without)
    twice = [*COMMAND, "text=sku:tfidf"]
    assert "'text'" in refused("encode", "new.csv", *twice[:-3], "text=sku:tfidf", *twice[-3:-1])
    Path("NEW").mkdir()
    Path("NEW/notes.txt").write_text("kept")
    assert "other files" in refused("encode", "new.csv", *COMMAND)
    assert [path.name for path in Path("NEW").iterdir()] == ["notes.txt"]
