"""The path from tables to a report on real data, and its limits of time and memory."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.cli import main
from soil_pyg.datasets.data_folder import load_data_folder, save_data_folder
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import SPLITS

SPLIT = ["--split-column", "split"]
SECONDS = 3
MEGABYTES = 200
SCORES_OF_ALL = 20_000 * 20_000 * 4 // 2**20
PEAK = """
import resource, sys
from soil_pyg.cli import main
from soil_pyg import load, recommend

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

recommend(load(sys.argv[1]), users=["0"], k=2)
before = peak()
assert main(["recommend", *sys.argv[1:]]) == 0
print(peak() - before)
"""


def write_tables(source: Path, folder: Path) -> None:
    """Writes tiktok as tables of purchases and titles and as features in two forms."""
    found = pd.read_csv(source / "tiktok.inter", sep="\t")
    names = dict(enumerate(SPLITS))
    purchases = pd.DataFrame(
        {
            "user": "u" + found["userID"].astype(str),
            "item": "v" + found["itemID"].astype(str),
            "split": found["x_label"].map(names),
        }
    )
    purchases.to_csv(folder / "purchases.csv", index=False)
    purchases.to_parquet(folder / "purchases.parquet")
    visual, acoustic = (np.load(source / f"{name}_feat.npy") for name in ("image", "audio"))
    ids = [f"v{item}" for item in range(len(visual))]
    np.save(folder / "visual.npy", visual)
    pd.DataFrame({"item": ids, "x": list(acoustic)}).to_parquet(folder / "acoustic.parquet")
    titles = pd.DataFrame({"item": ids, "title": [f"clip {name}" for name in ids]})
    titles.to_csv(folder / "items.csv", index=False)


def test_from_tables_to_a_report(
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    start = time.monotonic()
    write_tables(real_data / "tiktok", tmp_path)
    monkeypatch.chdir(tmp_path)
    features = ["--items", "items.csv", "--features", "visual=visual.npy"]
    features.append("acoustic=acoustic.parquet")
    for kind in ("csv", "parquet"):
        assert main(["prepare", f"purchases.{kind}", "--out", kind, *SPLIT, *features]) == 0
    assert load_data_folder("csv").digest == load_data_folder("parquet").digest
    assert "9,298 users, 6,710 items, 59,541 train, " in capfd.readouterr().err

    training = ["--model", "soil", "--epochs", "2", "--device", "cpu", "--out", "RUN"]
    assert main(["train", "parquet", *training]) == 0
    capfd.readouterr()
    assert main(["recommend", "RUN", "--users", "all", "--k", "20", "--out", "top.parquet"]) == 0
    top = pd.read_parquet("top.parquet")
    assert top.groupby("user").size().eq(20).all()
    assert top["user"].nunique() == 9298
    bought = pd.read_parquet("purchases.parquet").query("split == 'train'")
    assert len(top.merge(bought, on=["user", "item"])) == 0

    user, item, score = top.loc[0, ["user", "item", "score"]]
    assert main(["similar", "RUN", "--items", item, "--by", "visual", "--k", "3"]) == 0
    capfd.readouterr()
    explain = ["explain", "RUN", "--user", user, "--item", item, "--by", "part"]
    assert main([*explain, "--format", "json"]) == 0
    parts = [part["value"] for part in json.loads(capfd.readouterr().out)]
    assert sum(parts) == pytest.approx(score, abs=1e-5)

    assert main(["evaluate", "RUN", "--ks", "20", "--format", "csv"]) == 0
    assert "recall@20" in capfd.readouterr().out
    assert main(["report", "RUN", "--out", "report.html", "--users", f"{user}"]) == 0
    page = Path("report.html").read_text("utf-8")
    assert f"clip {item}" in page
    assert time.monotonic() - start < 300


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Keeps threads that wait for busy cores out of the measurement."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_everyone_of_baby_in_seconds(
    real_data: Path, tmp_path: Path, random_run: Callable[..., TrainedModel]
) -> None:
    soil_pyg.prepare(real_data / "baby", tmp_path / "baby")
    data = load_data_folder(tmp_path / "baby")
    trained = random_run(data, "bpr", hidden_channels=64)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        top = soil_pyg.recommend(trained, k=20, data=data, exclude_seen="train")
        seconds.append(time.perf_counter() - start)
    users = torch.arange(19445)
    score, item = Evaluator().rank(trained.user_emb, trained.item_emb, data, users, k=20)
    assert top["item"].tolist() == trained.item_id[item.view(-1).numpy()].tolist()
    assert top["score"].tolist() == score.view(-1).tolist()
    assert min(seconds) < SECONDS


def test_memory_does_not_grow_with_the_users(
    tmp_path: Path, random_run: Callable[..., TrainedModel]
) -> None:
    data = HeteroData()
    data["user"].num_nodes = data["item"].num_nodes = 20_000
    pairs = torch.arange(20_000).expand(2, -1).contiguous()
    store = data["user", "interacts", "item"]
    store.edge_index = store.val_edge_label_index = store.test_edge_label_index = pairs
    data.name, data.digest = "large", "large"
    folder = tmp_path / "data"
    folder.mkdir()
    save_data_folder(folder, data, None, {})
    run = random_run(data, "bpr", folder=folder, hidden_channels=8).folder
    flags = ["--users", "all", "--k", "20", "--memory-budget", str(2**25)]
    flags += ["--out", str(tmp_path / "top.parquet")]
    script = [sys.executable, "-c", PEAK, str(run), *flags]
    grown = int(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    assert len(pd.read_parquet(tmp_path / "top.parquet")) == 400_000
    assert grown < MEGABYTES < SCORES_OF_ALL / 7
