import importlib.util

import numpy as np
import pytest
import torch
from torch import Tensor

from soil_pyg.nn import product_similarity
from soil_pyg.nn.product_similarity import ProductSimilarity

needs_faiss = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="faiss is not installed"
)
NUM_ITEMS = 14


def make_features(num_modalities: int = 2) -> list[tuple[Tensor, Tensor]]:
    """Items 3, 7 and 8 are alike, 5 shares no modality with 6 and 11, and 9 has none."""
    generator = torch.Generator().manual_seed(0)
    features = []
    for modality in range(num_modalities):
        x = torch.randn(NUM_ITEMS, 3 + modality, generator=generator)
        x[7] = x[8] = x[3]
        missing = [9, 5] if modality == 0 else [9, 6, 11]
        x[missing] = 0
        has = x.norm(dim=1) > 0
        features.append((torch.nn.functional.normalize(x), has))
    return features


def naive(features: list[tuple[Tensor, Tensor]]) -> np.ndarray:
    out = np.full((NUM_ITEMS, NUM_ITEMS), -np.inf, dtype=np.float32)
    for i in range(NUM_ITEMS):
        for j in range(NUM_ITEMS):
            for c, has in features:
                if has[i] and has[j]:
                    x, y = c[i].double().numpy(), c[j].double().numpy()
                    cosine = np.float32((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
                    out[i, j] = cosine * (1 if out[i, j] == -np.inf else out[i, j])
    return out


def best(row: np.ndarray) -> list[int]:
    order = sorted(range(NUM_ITEMS), key=lambda j: (-row[j], j))
    return [j for j in order if row[j] > -np.inf]


def assert_rows(similarity: ProductSimilarity, expected: np.ndarray, width: Tensor) -> None:
    item = torch.arange(NUM_ITEMS)[width > 0]
    pointer, columns, values = similarity.rows(item, width[width > 0])
    assert pointer.size() == (NUM_ITEMS + 1,)
    for i in range(NUM_ITEMS):
        entries = slice(int(pointer[i]), int(pointer[i + 1]))
        found, candidates = columns[entries].tolist(), best(expected[i])
        assert len(found) >= min(int(width[i]), len(candidates))
        assert sorted(found) == sorted(candidates[: len(found)])
        np.testing.assert_allclose(values[entries], expected[i, found], atol=1e-6)
        assert (values[entries].diff() <= 1e-6).all()


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
def test_exact_entries(num_modalities: int) -> None:
    features = make_features(num_modalities)
    row = torch.arange(NUM_ITEMS).repeat_interleave(NUM_ITEMS)
    column = torch.arange(NUM_ITEMS).repeat(NUM_ITEMS)
    entries = ProductSimilarity(features).exact(row, column).view(NUM_ITEMS, NUM_ITEMS)
    expected = naive(features)
    np.testing.assert_array_max_ulp(entries.numpy(), expected, maxulp=2)
    assert entries.diag()[[0, 3, 12]].tolist() == entries[3, [3, 7, 8]].tolist() == [1.0] * 3
    assert np.isneginf(expected).sum() == {1: 52, 2: 31, 3: 31}[num_modalities]
    assert entries[9].tolist() == [-torch.inf] * NUM_ITEMS
    assert entries.equal(entries.t())


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_rows_equal_the_naive_ones(num_modalities: int, memory_budget: int) -> None:
    features = make_features(num_modalities)
    similarity = ProductSimilarity(features, memory_budget=memory_budget)
    for widths in ([1], [2], [3, 0, 5, 1], [NUM_ITEMS], [NUM_ITEMS + 50, 2]):
        width = torch.tensor(widths).repeat(NUM_ITEMS)[:NUM_ITEMS]
        assert_rows(similarity, naive(features), width)


def test_any_block_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_similarity, "MAX_ROWS", 3)
    features = make_features()
    assert_rows(ProductSimilarity(features), naive(features), torch.arange(NUM_ITEMS) % 5)


def test_ties_go_to_the_smaller_item() -> None:
    c = torch.tensor([[0.6, 0.8], [0.0, 1.0], [0.6, 0.8], [0.6, 0.8]])
    has = torch.ones(4, dtype=torch.bool)
    pointer, columns, _ = ProductSimilarity([(c, has)]).rows(torch.arange(4), torch.full((4,), 2))
    assert pointer.tolist() == [0, 2, 4, 6, 8]
    assert [sorted(columns[2 * i : 2 * i + 2].tolist()) for i in range(4)] == [
        [0, 2],
        [0, 1],
        [0, 2],
        [0, 2],
    ]


def test_no_rows() -> None:
    nothing = torch.empty(0, dtype=torch.long)
    pointer, columns, values = ProductSimilarity(make_features()).rows(nothing, nothing)
    assert pointer.tolist() == [0] * (NUM_ITEMS + 1)
    assert columns.tolist() == values.tolist() == []


def test_the_largest_width_of_a_repeated_item_counts() -> None:
    similarity = ProductSimilarity(make_features())
    pointer, columns, _ = similarity.rows(torch.tensor([4, 0, 4]), torch.tensor([1, 1, 3]))
    count = pointer.diff().tolist()
    assert count[0] >= 1
    assert count[4] >= 3
    assert sum(count) == count[0] + count[4] == columns.numel()
    assert sorted(columns[count[0] :].tolist()) == sorted(
        best(naive(make_features())[4])[: count[4]]
    )


@needs_faiss
@pytest.mark.parametrize("index", ["HNSW32", "IVF1,Flat"])
def test_approximate_index_equals_exact_when_its_candidates_cover_everything(index: str) -> None:
    features = make_features(3)
    width = torch.tensor([4, 6]).repeat(NUM_ITEMS // 2)
    assert_rows(ProductSimilarity(features, index=index), naive(features), width)


@needs_faiss
def test_approximate_index_looks_at_its_candidates_only() -> None:
    features = make_features(2)
    expected = naive(features)
    similarity = ProductSimilarity(features, index="HNSW32")
    pointer, columns, values = similarity.rows(
        torch.arange(NUM_ITEMS), torch.ones(NUM_ITEMS).long()
    )
    count = [0 if i == 9 else 1 for i in range(NUM_ITEMS)]
    assert pointer.diff().tolist() == count
    row = torch.arange(NUM_ITEMS)[torch.tensor(count) > 0]
    np.testing.assert_allclose(values, expected[row, columns], atol=1e-6)
