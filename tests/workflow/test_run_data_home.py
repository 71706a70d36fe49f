"""A path may begin with the home folder, as a shell leaves it in ``--out=~/run``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import soil_pyg
from soil_pyg.datasets.data_folder import load_data_folder, load_description, load_item_table
from soil_pyg.models import BPR
from soil_pyg.reports.report import report
from soil_pyg.serving.served_run import ServedRun
from soil_pyg.training import Trainer
from soil_pyg.workflow.compare import compare
from soil_pyg.workflow.evaluate import evaluate
from soil_pyg.workflow.export import export_embeddings, export_mmrec
from soil_pyg.workflow.prepare import prepare

PAIRS = [(user, item) for user in range(8) for item in range(12) if (user + item) % 3]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with prepared data and a run of it, made by paths that begin with it."""
    home = tmp_path_factory.mktemp("home")
    items = pd.DataFrame({"item": range(12), "title": [f"tea {n}" for n in range(12)]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        prepare(pd.DataFrame(PAIRS, columns=["user", "item"]), "~/data", items=items)
        soil_pyg.train("~/data", "~/run", "bpr", epochs=1, progress=False)
    assert {path.name for path in home.iterdir()} == {"data", "run"}
    return home


@pytest.mark.parametrize(
    "read",
    [
        lambda: load_data_folder("~/data"),
        lambda: load_description("~/data"),
        lambda: load_item_table("~/data"),
        lambda: soil_pyg.load("~/run"),
        lambda: soil_pyg.recommend("~/run", users=[1], data="~/data"),
        lambda: soil_pyg.similar("~/run", items=[1]),
        lambda: soil_pyg.explain("~/run", 1, 2, data="~/data"),
        lambda: evaluate("~/run", data="~/data"),
        lambda: compare(["~/run"]),
        lambda: report("~/run", "~/out/report.html", data="~/data"),
        lambda: export_embeddings("~/run", "~/out/embeddings"),
        lambda: export_mmrec("~/data", "~/out/mmrec"),
        lambda: soil_pyg.train("~/data", "~/out/final", final="~/run", progress=False),
        lambda: soil_pyg.train(
            "~/data", "~/out/warm", "bpr", init="~/run", epochs=1, progress=False
        ),
        lambda: ServedRun("~/run", data="~/data"),
        lambda: Trainer(epochs=1, progress=False).fit(
            BPR(8, 12), load_data_folder("~/data"), "~/out/fitted"
        ),
    ],
)
def test_paths_begin_with_the_home_folder(
    read: Callable[[], Any], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    (home / "out").mkdir(exist_ok=True)
    read()
    assert not list(tmp_path.iterdir())
