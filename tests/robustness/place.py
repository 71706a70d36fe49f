"""The data, the runs and the tables that wrong inputs are tried on."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from soil_pyg import prepare, train
from soil_pyg.datasets import MultimodalDataset
from soil_pyg.encoders import TfidfEncoder
from soil_pyg.runs.checkpoint import RUN
from soil_pyg.runs.schema import FORMAT
from soil_pyg.utils.records import read_record, write_record

NUM_USERS, NUM_ITEMS = 24, 16


def make_place(folder: Path) -> None:
    """Writes a folder of everything that the cases name, relative to it as working directory."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"v{item}", int(rng.integers(1, 6)), 1000 + int(rng.integers(0, 10**5)))
        for user in range(NUM_USERS)
        for item in rng.permutation(NUM_ITEMS)[: rng.integers(6, 9)]
    ]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "time"])
    frame.to_csv(folder / "p.csv", index=False)
    frame["split"] = rng.permutation(np.resize(["train"] * 6 + ["val", "test"], len(frame)))
    frame.to_csv(folder / "split.csv", index=False)
    ids = [f"v{item}" for item in range(NUM_ITEMS)]
    pictures = [f"{item}.png" for item in ids]
    items = pd.DataFrame({"item": ids, "title": [f"Title of {i}" for i in ids], "image": pictures})
    items.to_csv(folder / "items.csv", index=False)
    (folder / "ids.txt").write_text("\n".join(ids) + "\n")
    (folder / "pictures").mkdir()
    for number, name in enumerate(pictures):
        Image.new("RGB", (8, 8), (number * 9, 0, 0)).save(folder / "pictures" / name)
    _write_features(folder, rng, ids, "")
    _write_features(folder, rng, ["n0", "n1"], "new_")
    new_users = pd.DataFrame({"user": ["new"] * 3, "item": ["v0", "v1", "v2"]})
    new_users.to_csv(folder / "new_users.csv", index=False)
    (folder / "users.txt").write_text("u0\nu1\n")
    (folder / "notes.txt").write_text("no table\n")
    (folder / "empty").mkdir()
    features = {"visual": folder / "visual.npy", "text": folder / "text.parquet"}
    prepare(folder / "p.csv", folder / "DATA", features, items=folder / "items.csv")
    prepare(folder / "p.csv", folder / "OTHER", seed=1)
    text = {"text": TfidfEncoder("title")}
    prepare(folder / "p.csv", folder / "TEXT_DATA", text, items=folder / "items.csv")
    options = {"epochs": 1, "progress": False, "device": "cpu"}
    soil = {"k": 3, "k_i": 3, "hidden_channels": 4}
    train(folder / "DATA", folder / "RUN", "soil", **options, **soil)
    train(folder / "DATA", folder / "BPR", "bpr", **options, hidden_channels=4)
    for run in ("RUN", "BPR"):
        _make_relative(folder / run)
    shutil.copytree(folder / "BPR", folder / "UNFINISHED")
    (folder / "UNFINISHED" / RUN).rename(folder / "UNFINISHED" / "state.safetensors")
    _write_tiny(folder / "root" / "tiny", rng)
    # Makes the processed copy, which is a cache.
    MultimodalDataset(folder / "root", "tiny")


def _make_relative(run: Path) -> None:
    # The runs move with the place.
    content = read_record(run / RUN, FORMAT, "")
    content["settings"]["data"] = "DATA"
    write_record(run / RUN, content)


def _write_features(folder: Path, rng: np.random.Generator, ids: list[str], prefix: str) -> None:
    visual = rng.standard_normal((len(ids), 6)).astype("f4")
    np.save(folder / f"{prefix}visual.npy", visual)
    for name, matrix in [("visual", visual), ("text", rng.standard_normal((len(ids), 5)))]:
        frame = pd.DataFrame({"item": ids, "vector": list(matrix.astype("f4"))})
        frame.to_parquet(folder / f"{prefix}{name}.parquet")


def _write_tiny(folder: Path, rng: np.random.Generator) -> None:
    # A data set of the benchmark, in the layout of MMRec.
    folder.mkdir(parents=True)
    lines = ["userID\titemID\tx_label"]
    for user in range(20):
        items = rng.permutation(12)[:6]
        for item, label in zip(items, [0, 0, 0, 0, 1, 2], strict=True):
            lines.append(f"{user}\t{item}\t{label}")
    (folder / "tiny.inter").write_text("\n".join(lines) + "\n")
    for modality, size in {"image": 6, "text": 5}.items():
        np.save(folder / f"{modality}_feat.npy", rng.standard_normal((12, size)).astype("f4"))
