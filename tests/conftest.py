# Decides how the threads of torch wait, which torch reads when it is imported.
import soil_pyg  # noqa: F401

# isort: split

import io
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import save_data_folder
from soil_pyg.models import BPR, Recommender
from soil_pyg.models.resolver import model_name
from soil_pyg.ops import matmul
from soil_pyg.ranking.evaluator import compute_embeddings
from soil_pyg.runs import checkpoint
from soil_pyg.runs.schema import FORMAT
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets
from soil_pyg.utils.records import read_record, write_record
from soil_pyg.workflow.options import ModelOptions, build_model
from soil_pyg.workflow.train import train

# A shell starts commands behind an & with SIGINT ignored, which children would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The first call of a test, or a busy machine, may take any time.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
WITHOUT = pytest.mark.skipif(not HAS_ONEDNN, reason="torch was built without oneDNN")


class Terminal(io.StringIO):
    """A terminal of 80 columns that keeps what is written to it."""

    def isatty(self) -> bool:
        return True

    def states(self) -> list[str]:
        """Returns what the last line has shown, one entry per change."""
        return [text.replace("\x1b[K", "") for text in self.getvalue().split("\r")][1:]


@pytest.fixture
def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Puts a terminal in the place of standard error."""

    def open_() -> Terminal:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        return terminal

    return open_


@pytest.fixture
def refused() -> Callable[[str, object], AbstractContextManager[object]]:
    """Expects a :class:`ValueError` that names an argument and the value got."""

    def expect(name: str, got: object) -> AbstractContextManager[object]:
        return pytest.raises(ValueError, match=rf"'{name}'.*\(got {re.escape(str(got))}[):, ]")

    return expect


@pytest.fixture
def random_data() -> Callable[..., HeteroData]:
    """Makes random interactions, split per user; the last items have none."""

    def make(
        num_users: int = 30, num_items: int = 40, seed: int = 0, num_unseen: int = 2
    ) -> HeteroData:
        rng = np.random.default_rng(seed)
        splits: dict[str, list[tuple[int, int]]] = {"": [], "val_": [], "test_": []}
        for user in range(num_users):
            items = rng.permutation(num_items - num_unseen)[: rng.integers(4, 12)]
            splits["val_"].append((user, items[0]))
            splits["test_"] += [(user, item) for item in items[1:3]]
            splits[""] += [(user, item) for item in items[3:]]
        data = HeteroData()
        data[USER].num_nodes, data[ITEM].num_nodes = num_users, num_items
        data[USER].id = np.arange(num_users) * 10
        data[ITEM].id = np.array([f"item {i}" for i in range(num_items)])
        store = data[INTERACTS]
        for name, pairs in splits.items():
            edge_index = torch.tensor(sorted(pairs)).t().contiguous()
            store[f"{name}edge_label_index" if name else "edge_index"] = edge_index
        data.name, data.digest = "random", f"digest {seed}"
        return data

    return make


@pytest.fixture
def data(random_data: Callable[..., HeteroData]) -> HeteroData:
    return random_data()


@pytest.fixture
def clustered_data() -> HeteroData:
    """Items with clustered features, and users who choose items of one or two clusters."""
    rng = np.random.default_rng(0)
    num_users, num_items, num_clusters = 80, 500, 20
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = num_users, num_items
    cluster = rng.integers(num_clusters, size=num_items)
    for modality, size in {"image": 16, "text": 12}.items():
        centre = rng.standard_normal((num_clusters, size))
        x = centre[cluster] + 0.4 * rng.standard_normal((num_items, size))
        x[rng.random(num_items) < 0.05] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x).float()
    pairs = set()
    for user in range(num_users):
        near = np.flatnonzero(np.isin(cluster, rng.integers(num_clusters, size=2)))
        pairs |= {(user, int(item)) for item in rng.choice(near, size=rng.integers(3, 9))}
    data[INTERACTS].edge_index = torch.tensor(sorted(pairs)).t().contiguous()
    return data


@pytest.fixture
def featured_data(random_data: Callable[..., HeteroData]) -> Callable[..., HeteroData]:
    """Makes random interactions and features; item 3 has none, item 20 lacks the image."""

    def make(num_modalities: int = 3, seed: int = 0) -> HeteroData:
        data = random_data(num_users=30, num_items=25, seed=seed)
        rng = np.random.default_rng(1)
        for modality, size in list({"image": 5, "text": 4, "audio": 3}.items())[:num_modalities]:
            x = rng.standard_normal((25, size)) + 0.3
            x[[3, 20] if modality == "image" else [3]] = 0
            data[ITEM][f"x_{modality}"] = torch.from_numpy(x).float()
        return data

    return make


@pytest.fixture
def random_run(tmp_path: Path) -> Callable[..., TrainedModel]:
    """Makes a run whose model has random weights."""

    def make(
        data: HeteroData,
        spec: str,
        profile: str = "released",
        folder: Path | None = None,
        **options: Any,
    ) -> TrainedModel:
        selected = ModelOptions(spec)
        given = {"hidden_channels": 6} if "hidden_channels" in selected.options else {}
        settings = selected.settings("none", profile, given | options)
        graphs = selected.model_class.graph_transform(**selected.values_for("graphs", settings))(
            data
        )
        torch.manual_seed(0)
        model = build_model(selected, settings, data)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(0.5 * torch.randn_like(parameter))
        run = {
            "finished": True,
            "model": model_name(type(model)),
            "options": model.options,
            "settings": {"model": spec, "data": folder and str(folder), **settings},
            "data": {"name": data.name, "digest": data.digest},
            "trainer": Trainer().result_options(),
            **asdict(TrainResult()),
        }
        checkpoint.save(
            tmp_path / "run", run, model.state_dict(), compute_embeddings(model, graphs), data
        )
        return checkpoint.load(tmp_path / "run")

    return make


@pytest.fixture
def data_folder(tmp_path: Path, featured_data: Callable[..., HeteroData]) -> Path:
    """A data folder with the modalities "image" and "text"."""
    folder = tmp_path / "data"
    folder.mkdir()
    save_data_folder(folder, featured_data(2), None, {})
    return folder


@pytest.fixture
def run_folder(data_folder: Path, tmp_path: Path) -> Path:
    """The folder of a short run on the data folder."""
    folder = tmp_path / "bpr"
    train(data_folder, folder, "bpr", epochs=2, hidden_channels=4, progress=False, device="cpu")
    return folder


@pytest.fixture(scope="session")
def edit_run() -> Callable[..., None]:
    """Writes :obj:`run.json` again with other values, as a run of that kind does."""

    def edit(folder: Path, **values: Any) -> None:
        run = read_record(folder / checkpoint.RUN, FORMAT, "")
        write_record(folder / checkpoint.RUN, run | values)

    return edit


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Interrupts a model, as Ctrl-C does, in the given batch from now on."""

    def install(batch: int, model_class: type[Recommender] = BPR) -> None:
        loss, calls = model_class.loss, iter(range(1, batch))

        def interrupted(self: Any, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
            if next(calls, None) is None:
                monkeypatch.setattr(model_class, "loss", loss)
                raise KeyboardInterrupt
            return loss(self, data, batch)

        monkeypatch.setattr(model_class, "loss", interrupted)

    return install


@pytest.fixture
def real_data() -> Path:
    """The folder of the public data sets, if there is one."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    root = Path(os.environ.get("SOIL_DATA", beside))
    if not root.is_dir():
        pytest.skip(f"no real data in {root} (set SOIL_DATA)")
    return root


@pytest.fixture(params=[False, pytest.param(True, marks=WITHOUT)])
def onednn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Matrix products with oneDNN and without it, whatever this machine prefers."""
    monkeypatch.setattr(matmul, "PREFERS_ONEDNN", request.param)
    return request.param
