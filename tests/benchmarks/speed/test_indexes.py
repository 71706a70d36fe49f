import numpy as np
import pytest

from soil_bench.speed.indexes import CONTESTANTS, K

pytest.importorskip("faiss")
SETTINGS = {"FAISS IVF,PQ4fs,RFlat": [4, 30], "FAISS NN-descent": [48]}
LISTS = ["FAISS IVF,Flat", "FAISS IVF,Flat list by list"]


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((600, 16)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("name", CONTESTANTS)
def test_finds_the_nearest(name: str, x: np.ndarray) -> None:
    if name == "hnswlib":
        pytest.importorskip("hnswlib")
    settings = SETTINGS.get(name, [4] if name in LISTS else [16])
    search = CONTESTANTS[name].build(x, *settings)
    expected = np.argsort(-x @ x.T, axis=1, kind="stable")[:, :K]
    for rows in (slice(None), np.array([5, 3, 599])):
        # All lists are searched.
        found = search(rows, 4 if name in LISTS else 64)
        recall = np.mean([np.isin(a, b).mean() for a, b in zip(expected[rows], found, strict=True)])
        assert recall == 1.0 if name in LISTS else recall > 0.9


def test_list_by_list_equals_query_by_query(x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soil_pyg.ops.batch_search.MAX_SCORES", 500)
    monkeypatch.setattr("soil_pyg.ops.faiss_index.MAX_QUERIES", 7)
    names = "FAISS IVF,Flat list by list", "FAISS IVF,Flat"
    found = [CONTESTANTS[name].build(x, 12)(slice(None), 3) for name in names]
    np.testing.assert_array_equal(*found)
