"""Each private name of another library is taken away: what is built on it goes on."""

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData
from torch_geometric.metrics import LinkPredMAP, LinkPredNDCG, LinkPredPrecision, LinkPredRecall
from torch_geometric.metrics.link_pred import LinkPredMetric

from soil_pyg.cli import main
from soil_pyg.models import MGCN
from soil_pyg.nn import Adjacency
from soil_pyg.ops import matmul
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import ITEM
from soil_pyg.utils import _private

Remove = Callable[[pytest.MonkeyPatch], None]


def hide(kind: type, name: str) -> Remove:
    """Hides an attribute of instances from soil_pyg alone: the library itself needs it."""

    def remove(monkeypatch: pytest.MonkeyPatch) -> None:
        before = kind.__getattribute__

        def getattribute(self: Any, key: str) -> Any:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if key == name and caller.startswith("soil_pyg."):
                raise AttributeError(name)
            return before(self, key)

        monkeypatch.setattr(kind, "__getattribute__", getattribute)

    return remove


def delete(path: str) -> Remove:
    def remove(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(path)

    return remove


def rename_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (LinkPredMAP, LinkPredNDCG, LinkPredPrecision, LinkPredRecall):
        monkeypatch.setattr(kind, "_values", kind._compute, raising=False)
        monkeypatch.delattr(kind, "_compute")
    monkeypatch.delattr(LinkPredMetric, "_compute")

    def update(self: LinkPredMetric, data: Any) -> None:
        values = self._values(data)
        self.accum += values.sum()
        self.total += values.numel()

    monkeypatch.setattr(LinkPredMetric, "_update", update)


def hide_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(torch.ops.mkldnn)
    before = kind.__getattr__
    torch.ops.mkldnn.__dict__.pop("_linear_pointwise", None)

    def getattribute(self: Any, name: str) -> Any:
        if name == "_linear_pointwise":
            raise AttributeError(name)
        return before(self, name)

    monkeypatch.setattr(kind, "__getattr__", getattribute)


REMOVALS: dict[str, Remove] = {
    "nothing": lambda _: None,
    "peek_interpreter_stack": delete("torch._C._functorch.peek_interpreter_stack"),
    "_current_level": delete("torch.autograd.forward_ad._current_level"),
    "_linear_pointwise": hide_operator,
    "BackendCompilerFailed": delete("torch._dynamo.exc.BackendCompilerFailed"),
    "_compute": rename_compute,
    "_T_perm": hide(EdgeIndex, "_T_perm"),
    "_indices": hide(torch.Tensor, "_indices"),
    "_actions": hide(argparse.ArgumentParser, "_actions"),
}


def reload() -> None:
    # Functions imported elsewhere read the same, reloaded globals.
    importlib.reload(_private)
    importlib.reload(matmul)


@pytest.fixture(params=REMOVALS)
def removed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as context:
        REMOVALS[request.param](context)
        reload()
        matmul.PREFERS_ONEDNN = matmul.linear_pointwise is not None
        yield request.param
    reload()


def results(data: HeteroData, num_partitions: int) -> dict[str, float]:
    data = MGCN.graph_transform(k=3)(data.clone())
    sizes = {name[2:]: x.size(1) for name, x in data[ITEM].items() if name.startswith("x_")}
    torch.manual_seed(0)
    model = MGCN(data["user"].num_nodes, data[ITEM].num_nodes, sizes, hidden_channels=4)
    trainer = Trainer(epochs=1, num_partitions=num_partitions, ks=[5], metric="recall@5")
    trainer.fit(model, data)
    values = Evaluator(ks=[5]).evaluate(model, data, "test")
    values["edges"] = float(data[ITEM, "image_similar", ITEM].edge_index.prod(dim=0).sum())
    return values | {"size": float(model(data)[0].norm())}


@pytest.fixture(scope="module")
def expected() -> dict[int, dict[str, float]]:
    return {}


@pytest.mark.parametrize("num_partitions", [1, 2])
def test_a_model_is_trained_and_evaluated(
    featured_data: Callable[..., HeteroData],
    num_partitions: int,
    expected: dict[int, dict[str, float]],
    removed: str,
) -> None:
    values = results(featured_data(), num_partitions)
    assert values == pytest.approx(expected.setdefault(num_partitions, values), rel=1e-5)


def test_edges_that_have_cached_both_directions(removed: str) -> None:
    edge_index = EdgeIndex([[0, 1, 1], [0, 0, 2]], sparse_size=(2, 3), sort_order="col")
    adjacency = Adjacency.from_edge_index(edge_index.fill_cache_())
    assert (adjacency._transposed is None) == (removed == "_T_perm")
    assert adjacency.t().to_dense().tolist() == [[1, 0, 0], [1, 0, 1]]


def test_products_inside_of_transforms(removed: str) -> None:
    x = torch.arange(12.0).view(4, 3)
    out = torch.func.vmap(matmul.matmul_t)(x.expand(2, -1, -1), x.expand(2, -1, -1))
    assert torch.equal(out[1], x @ x.t())
    known = removed not in ("peek_interpreter_stack", "_current_level")
    assert _private.is_transformed() != known
    assert matmul.uses_onednn(x, x) == (known and matmul.PREFERS_ONEDNN)


def test_wrong_flags_are_named(removed: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, name in {("--epochs", "x"): "epochs", ("--nosuch", "1"): "nosuch"}.items():
        assert main(["train", "DATA", "--out", "RUN", *arguments]) == 2
        assert name in capsys.readouterr().err


def test_ray_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray._private.worker", raising=False)
    _private.silence_ray()
    worker = SimpleNamespace(_worker_logs_enabled=True)
    monkeypatch.setitem(sys.modules, "ray._private.worker", worker)
    _private.silence_ray()
    assert not worker._worker_logs_enabled


def test_no_other_module_uses_private_names_of_libraries() -> None:
    root = Path(_private.__file__).parents[1]
    names = "|".join([*list(REMOVALS)[1:], "_values", "_key", "_C", "_dynamo", "_functorch"])
    pattern = re.compile(rf"(?<!self)\.({names})\b")
    sources = [path for path in root.rglob("*.py") if path.name != "_private.py"]
    found = [str(path) for path in sources if pattern.search(path.read_text("utf-8"))]
    assert len(sources) > 100
    assert found == []
