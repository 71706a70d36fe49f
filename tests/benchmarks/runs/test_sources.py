import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from soil_bench.runs import sources
from soil_bench.runs.sources import TRAINER, code_digest, imported_modules
from soil_pyg.models import BPR, SOIL

SOURCE = """
from soil_pyg.models import BPR


class Mine(BPR):
    width = 1
"""
CLOSURE = imported_modules(SOIL.__module__) | imported_modules(TRAINER)
WITHOUT_EFFECT = {
    "soil_pyg.datasets.storage",
    "soil_pyg.models.resolver",
    "soil_pyg.runs.checkpoint",
    "soil_pyg.runs.compatibility",
    "soil_pyg.runs.trained_model",
    "soil_pyg.runs.training_run",
    "soil_pyg.training.progress",
    "soil_pyg.utils.checks",
    "soil_pyg.utils.files",
    "soil_pyg.utils.progress",
}
"""The modules among these whose changes leave every result as it is."""


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


def digest_with(module: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Returns the digest of SOIL as if one module had changed."""
    changed = sources._file(module)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_definitions", lambda path: [f"{path}{path == changed}"])
        return code_digest(SOIL)


def test_modules_of_a_model_are_those_it_imports() -> None:
    soil = imported_modules(SOIL.__module__)
    needed = {"models.soil", "models.soil_graphs", "ops.adjacency", "nn.losses", "typing"}
    assert {f"soil_pyg.{name}" for name in needed} <= soil
    assert not {"soil_pyg.models.lightgcn", "soil_pyg.models.bpr", "soil_pyg.datasets"} & soil
    assert "soil_pyg.transforms.interest_graph" not in imported_modules(BPR.__module__)
    assert {"soil_pyg.ranking.evaluator", "soil_pyg.training.triplet_loader"} <= imported_modules(
        TRAINER
    )


def test_models_have_digests_of_their_own() -> None:
    assert code_digest(SOIL) == code_digest(SOIL)
    assert code_digest(SOIL) != code_digest(BPR)


@pytest.mark.parametrize("module", sorted(CLOSURE | WITHOUT_EFFECT))
def test_modules_without_effect_are_those_that_only_check_show_name_or_store(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module in CLOSURE
    unchanged = digest_with("soil_pyg", monkeypatch)
    assert (digest_with(module, monkeypatch) == unchanged) is (module in WITHOUT_EFFECT)


def test_a_module_that_is_not_imported_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    unchanged = digest_with("soil_pyg", monkeypatch)
    assert digest_with("soil_pyg.models.lightgcn", monkeypatch) == unchanged


def test_definitions_count_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_digest(load(tmp_path / "sources_one.py", SOURCE, monkeypatch).Mine)
    moved = SOURCE.replace("from soil_pyg.models import", "from soil_pyg.models.bpr import")
    assert code_digest(load(tmp_path / "sources_two.py", moved, monkeypatch).Mine) == before


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("width = 1", "width = 2", False),
        ("width = 1", "width  =  1  # as before", True),
        ("width = 1", 'width = 1\n    """Of the table."""', True),
        ("class Mine(BPR):", 'class Mine(BPR):\n    """A model."""\n', True),
        ("import BPR\n", 'import BPR\n__all__ = ["Mine"]\n', True),
        ("import BPR\n", "import BPR\nif BPR:\n    from soil_pyg.typing import USER\n", True),
        ("import BPR\n", "import BPR\nif BPR:\n    import torch\n    K = 2\n", False),
        ("import BPR\n", "import BPR\nfrom torch import mean as reduce\n", False),
        ("import BPR\n", "import BPR\nfrom soil_pyg.typing import USER as ITEM\n", False),
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
