import sys
from pathlib import Path

import pytest

from soil_pyg.models import BPR, ItemKNN, LightGCN, Popularity
from soil_pyg.models.resolver import import_model, model_name

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
    [("bpr", BPR), ("lightgcn", LightGCN), ("itemknn", ItemKNN), ("popularity", Popularity)],
)
def test_own_models_by_lower_case_name(name: str, expected: type) -> None:
    assert import_model(name) is expected


def test_model_from_outside(mine: str) -> None:
    model = import_model(f"{mine}:Mine")
    assert issubclass(model, BPR)
    assert model_name(model) == f"{mine}:Mine"
    assert model_name(import_model(f"{mine}:Mine.Nested")) == f"{mine}:Mine.Nested"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("soill", "'soill' is not one of .*bpr.*soil.*; a model of your own is named"),
        ("SOIL", "'SOIL' is not one of"),
        ("recommender", "'recommender' is not one of"),
        ("", "'' is not one of"),
        ("no_such_module:Mine", "'no_such_module:Mine' cannot be imported: No module named"),
        ("resolver_mine:Other", "cannot be imported: .* has no attribute 'Other'"),
        ("resolver_mine:", "cannot be imported: .* has no attribute ''"),
        (":Mine", "':Mine' cannot be imported: Empty module name"),
        ("resolver_mine:function", r"must be a subclass of Recommender \(got <function"),
        ("pathlib:Path", r"must be a subclass of Recommender \(got <class 'pathlib"),
        ("resolver_mine:Abstract", "'resolver_mine:Abstract' must define forward and loss"),
    ],
)
def test_errors(mine: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        import_model(name)
