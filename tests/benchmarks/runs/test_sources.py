import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from soil_bench.runs import sources
from soil_bench.runs.sources import code_digest, imported_modules
from soil_pyg.models import BPR, SOIL

SOURCE = """
from soil_pyg.models import BPR


class Mine(BPR):
    width = 1
"""


def load(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path.write_text(text)
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    for function in (sources.imported_modules, sources._file, sources._tree):
        function.cache_clear()
    return module


def test_modules_of_a_model_are_those_it_needs() -> None:
    soil = imported_modules(SOIL.__module__)
    needed = {"models.soil", "models.soil_graphs", "nn.adjacency", "nn.info_nce_loss", "typing"}
    assert {f"soil_pyg.{name}" for name in needed} <= soil
    assert not {"soil_pyg.models.lightgcn", "soil_pyg.models.bpr", "soil_pyg.datasets"} & soil
    assert "soil_pyg.nn.losses" not in imported_modules(BPR.__module__)
    assert {"soil_pyg.ranking.evaluator", "soil_pyg.training.triplet_loader"} <= imported_modules(
        "soil_pyg.training.trainer"
    )


def test_models_have_digests_of_their_own() -> None:
    assert code_digest(SOIL) == code_digest(SOIL)
    assert code_digest(SOIL) != code_digest(BPR)


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("width = 1", "width = 2", False),
        ("width = 1", "width  =  1  # as before", True),
        ("width = 1", 'width = 1\n    """Of the table."""', True),
        ("class Mine(BPR):", 'class Mine(BPR):\n    """A model."""\n', True),
        ("import BPR", "import BPR, LightGCN", False),
    ],
)
def test_what_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, is_same: bool
) -> None:
    path = tmp_path / "sources_models.py"
    before = code_digest(load(path, SOURCE, monkeypatch).Mine)
    after = code_digest(load(path, SOURCE.replace(old, new), monkeypatch).Mine)
    assert (before == after) is is_same
