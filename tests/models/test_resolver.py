import sys
from pathlib import Path
from types import ModuleType

import pytest

from soil_pyg.models import BPR, ItemKNN, LightGCN, Popularity
from soil_pyg.models.resolver import find_model, import_model, model_name, own_model

MODULE = """
from soil_pyg.models import BPR, Recommender

class Mine(BPR):
    class Nested(BPR):
        pass

class Abstract(Recommender):
    pass

def function():
    pass
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "resolver_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "resolver_mine", raising=False)
    return "resolver_mine"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bpr", BPR), ("LightGCN", LightGCN), ("itemknn", ItemKNN), ("popularity", Popularity)],
)
def test_own_models_by_name(name: str, expected: type) -> None:
    assert import_model(name) is expected


def test_model_from_outside(mine: str) -> None:
    model = import_model(f"{mine}:Mine")
    assert issubclass(model, BPR)
    assert model_name(model) == f"{mine}:Mine"
    assert model_name(import_model(f"{mine}:Mine.Nested")) == f"{mine}:Mine.Nested"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("soill", r"'model'.* bpr.* soil.*package.module:Class \(got 'soill'\)"),
        ("recommender", "got 'recommender'"),
        ("embeddingrecommender", "got 'embeddingrecommender'"),
        ("", "'model'.*got ''"),
        ("no_such_module:Mine", "'no_such_module:Mine'.*No module named"),
        ("resolver_mine:Other", "'resolver_mine:Other'.*no attribute 'Other'"),
        ("resolver_mine:", "'resolver_mine:'.*no attribute ''"),
        (":Mine", "':Mine'.*Empty module name"),
        ("resolver_mine:function", r"Recommender \(got function"),
        ("pathlib:Path", r"Recommender \(got Path "),
        ("resolver_mine:Abstract", "'forward'.*'loss'.*'resolver_mine:Abstract'"),
    ],
)
def test_errors(mine: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        import_model(name)


def test_a_name_in_any_case_and_nearly_a_name() -> None:
    assert import_model("LightGCN").__name__ == "LightGCN"
    with pytest.raises(ValueError, match=r"\(got 'lightgnc'\): did you mean 'lightgcn'\?"):
        import_model("lightgnc")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('boom')", "boom"),
        ("def (", "SyntaxError"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("def f(): f()\nf()", "recursion"),
        ("import no_such_module", "no_such_module"),
        ("class Mine: pass", "Recommender"),
        ("Mine = 3", "got int "),
        ("", "no attribute 'Mine'"),
    ],
)
def test_errors_of_a_module(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "resolver_wrong.py").write_text(source)
    monkeypatch.delitem(sys.modules, "resolver_wrong", raising=False)
    with pytest.raises(ValueError, match=rf"(?=.*'resolver_wrong:Mine').*{reason}"):
        import_model("resolver_wrong:Mine")
    assert [path.name for path in tmp_path.iterdir()] == ["resolver_wrong.py"]


@pytest.mark.parametrize("name", ["soil_pyg.models.bpr:BPR", "bpr"])
def test_models_of_the_package_are_found(name: str) -> None:
    assert find_model(name) is BPR
    assert own_model(name) is BPR


def test_a_stored_name_imports_nothing(mine: str) -> None:
    name = f"{mine}:Mine"
    with pytest.raises(ValueError, match=rf"'{name}'.*'--model-module {mine}'"):
        find_model(name)
    assert mine not in sys.modules
    assert own_model(name) is None
    model = import_model(name)
    assert find_model(name) is model
    assert find_model(f"{mine}:Mine.Nested").__qualname__ == "Mine.Nested"
    for other in ("function", "Abstract"):
        with pytest.raises(ValueError, match=f"'model' must.*'{mine}:{other}'"):
            find_model(f"{mine}:{other}")
    for other in (
        "os:system",
        "soil_pyg.cli.main:Mine",
        "soil_pyg:load",
        f"{mine}:None",
        "x",
        f"{mine}:Mine.x",
    ):
        with pytest.raises(ValueError, match=f"'{other}'"):
            find_model(other)


def test_a_stored_name_runs_no_code_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("resolver_lazy")
    monkeypatch.setitem(sys.modules, "resolver_lazy", module)
    module.__getattr__ = pytest.fail  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="resolver_lazy:Mine"):
        find_model("resolver_lazy:Mine")
