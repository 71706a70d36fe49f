from collections.abc import Iterator

import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import SOIL
from soil_pyg.nn import LearnedGraph
from soil_pyg.ops import collector, similarity_pass
from soil_pyg.transforms import InterestGraph, SecondOrderGraph, SimilarityGraph
from soil_pyg.utils.engine import current_engine, map_blocks, use_engine

TRANSFORMS = [
    SimilarityGraph(k=4),
    SimilarityGraph(k=4, negative="keep"),
    InterestGraph(k_i=3),
    InterestGraph(k_i=3, negative="keep", weight_by_users=True, memory_budget=2**13),
    SecondOrderGraph(k_a=2),
    SecondOrderGraph(k_a=2, aggr="sum", exclude_interacted=False, negative="keep"),
]


@pytest.fixture
def data() -> HeteroData:
    """40 users and 30 items with equal features, ties and missing modalities."""
    data = SyntheticMultimodal(num_users=40, num_items=30)[0]
    generator = torch.Generator().manual_seed(0)
    for name in ("x_image", "x_text"):
        x = torch.randint(-1, 2, (30, 3), generator=generator).float()
        x[::7] = 0
        x[1::5] = x[1]
        data["item"][name] = x
    return data


def assert_same(found: HeteroData, expected: HeteroData) -> None:
    assert found.edge_types == expected.edge_types
    for edge_type in expected.edge_types:
        assert torch.equal(found[edge_type].edge_index, expected[edge_type].edge_index)
        if "edge_weight" in expected[edge_type]:
            assert torch.equal(found[edge_type].edge_weight, expected[edge_type].edge_weight)


@pytest.mark.parametrize("block_size", [4, 512])
@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_blocks_by_an_engine_give_the_same_graphs(
    data: HeteroData, transform: BaseTransform, block_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def here(function, tables, blocks, engine) -> Iterator:  # type: ignore[no-untyped-def]
        used.append(engine)
        return map_blocks(function, tables, blocks)

    expected = transform(data)
    monkeypatch.setattr(similarity_pass, "map_blocks", here)
    monkeypatch.setattr(similarity_pass, "current_engine", lambda: "elsewhere")
    monkeypatch.setattr(collector, "MAX_ROWS", block_size)
    assert_same(transform(data), expected)
    assert used == ["elsewhere"]


def test_graphs_by_ray(data: HeteroData, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    started, start = [], ray.init
    monkeypatch.setattr(ray, "init", lambda **options: started.append(start(**options)))
    with use_engine("ray"):
        found = SOIL.graph_transform(k=4)(data)
    assert_same(found, SOIL.graph_transform(k=4)(data))
    # One start is enough for all graphs.
    assert len(started) == 1
    assert not ray.is_initialized()


def test_learned_graphs_are_searched_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    monkeypatch.setattr("soil_pyg.utils.engine._cluster", lambda: pytest.fail("Ray was started"))
    x, has = torch.randn(9, 3), torch.ones(9, dtype=torch.bool)
    with use_engine("ray"):
        LearnedGraph(k=3)({"image": (x, has)}, torch.ones(1))
        assert current_engine() == "ray"


def test_the_engine_holds_for_a_block() -> None:
    with pytest.raises(ZeroDivisionError), use_engine("local"):
        raise ZeroDivisionError
    assert current_engine() == "local"
    with pytest.raises(ValueError, match="'engine'"), use_engine("spark"):
        pass
