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
        ("soill", r"'soill'.* bpr.* soil.*'package.module:Class'"),
        ("SOIL", "'SOIL' is not"),
        ("recommender", "'recommender' is not"),
        ("embeddingrecommender", "'embeddingrecommender' is not"),
        ("", "'' is not"),
        ("no_such_module:Mine", "'no_such_module:Mine'.*No module named"),
        ("resolver_mine:Other", "'resolver_mine:Other'.*no attribute 'Other'"),
        ("resolver_mine:", "'resolver_mine:'.*no attribute ''"),
        (":Mine", "':Mine'.*Empty module name"),
        ("resolver_mine:function", r"Recommender \(got <function"),
        ("pathlib:Path", r"Recommender \(got <class 'pathlib"),
        ("resolver_mine:Abstract", "'resolver_mine:Abstract'.*'forward'.*'loss'"),
    ],
)
def test_errors(mine: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        import_model(name)
