import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.transforms import ConsistentGraph
from soil_pyg.typing import ITEM

NUM_ITEMS = 40
SIZES = {"image": 6, "text": 4, "audio": 5}


def make_data(num_modalities: int = 3) -> HeteroData:
    """Items 5 to 7 lack the first modality, item 6 has none, and some items are equal."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data[ITEM].num_nodes = NUM_ITEMS
    for modality, size in list(SIZES.items())[:num_modalities]:
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.2
        x[20:26] = x[20]
        x[[5, 6, 7] if modality == "image" else [6]] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x).float()
    return data


def expected(data: HeteroData, k: int) -> dict[str, list[tuple[int, int]]]:
    """Returns the pairs item, neighbour by modality."""
    cosine, mean = {}, {}
    for modality in (m for m in SIZES if f"x_{m}" in data[ITEM]):
        x = data[ITEM][f"x_{modality}"].double().numpy()
        has = [i for i in range(NUM_ITEMS) if x[i].any()]
        unit = {i: x[i] / np.linalg.norm(x[i]) for i in has}
        cosine[modality] = {(i, j): np.float32(unit[i] @ unit[j]) for i in has for j in has}
        mean[modality] = np.mean(list(cosine[modality].values()), dtype=np.float64)
    out = {}
    for modality, similar in cosine.items():
        pairs = []
        for i in range(NUM_ITEMS):
            kept = [
                j
                for j in range(NUM_ITEMS)
                if (i, j) in similar
                and all(c[i, j] >= mean[m] for m, c in cosine.items() if (i, j) in c)
            ]
            best = sorted(kept, key=lambda j: (-similar[i, j], j))[:k]
            pairs += [(i, j) for j in sorted(best)]
        out[modality] = pairs
    return out


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 4, 100])
@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_equals_the_definition(num_modalities: int, k: int, memory_budget: int) -> None:
    data = make_data(num_modalities)
    found = ConsistentGraph(k=k, memory_budget=memory_budget)(data)
    for modality, pairs in expected(data, k).items():
        neighbour, item = found[ITEM, f"{modality}_consistent", ITEM].edge_index.tolist()
        assert list(zip(item, neighbour, strict=True)) == pairs


def test_equal_items_are_all_alike() -> None:
    data = HeteroData()
    data[ITEM].x_image = torch.tensor([[0.1, 0.7, 0.3]]).expand(5, 3)
    neighbour, item = ConsistentGraph(k=2)(data)[ITEM, "image_consistent", ITEM].edge_index
    assert item.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert neighbour.tolist() == [0, 1] * 5


@pytest.mark.parametrize("x", [[1.0, 1.0], [3.0, 4.0], [0.1, 0.7, 0.3], [1.0, 0.0]])
def test_a_constant_modality_decides_nothing(x: list[float]) -> None:
    data = HeteroData()
    data[ITEM].x_image = torch.randn(6, 4, generator=torch.manual_seed(0))
    alone = ConsistentGraph(k=3)(data)[ITEM, "image_consistent", ITEM].edge_index
    data[ITEM].x_text = torch.tensor([x]).expand(6, -1)
    found = ConsistentGraph(k=3)(data)
    assert found[ITEM, "image_consistent", ITEM].edge_index.equal(alone)
    assert found[ITEM, "text_consistent", ITEM].edge_index.numel() > 0
    assert alone.numel() > 0


def test_an_approximate_search_finds_most() -> None:
    pytest.importorskip("faiss")
    data, k = make_data(), 3
    found = ConsistentGraph(k=k, index="HNSW16", recall=1.0)(data)
    for modality, pairs in expected(data, k).items():
        store = found[ITEM, f"{modality}_consistent", ITEM]
        assert store.search["index"].startswith("HNSW16")
        neighbour, item = store.edge_index.tolist()
        shared = set(zip(item, neighbour, strict=True)) & set(pairs)
        assert len(shared) > 0.8 * len(pairs)
        assert max(np.bincount(item)) <= k


def test_repr() -> None:
    assert str(ConsistentGraph(k=3)) == "ConsistentGraph(k=3)"


test_wrong_arguments = wrong_arguments("ConsistentGraph")
