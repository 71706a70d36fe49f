from pathlib import Path

import numpy as np
import pytest

from soil_bench.speed import index_measure
from soil_bench.speed.index_measure import Vectors, draw_vectors, race

pytest.importorskip("faiss")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(index_measure, "SAMPLE", 150)
    draw_vectors(str(tmp_path / "x.npz"), "mixture", 500, 8, None)
    return str(tmp_path / "x.npz")


def test_recall_of_a_sample(path: str) -> None:
    vectors = Vectors(path)
    np.testing.assert_allclose(np.linalg.norm(vectors.x, axis=1), 1, rtol=1e-5)
    score = vectors.x[vectors.sample] @ vectors.x.T
    order = np.argsort(-score, axis=1)
    best = order[:, :10]
    assert best.shape == (150, 10)
    assert vectors.recall(best) == 1.0
    half = best.copy()
    half[:, 5:] = best[:, :5]
    assert vectors.recall(half) == 0.5
    half[:, 5:] = -1
    assert vectors.recall(half) == 0.5
    half[:, 5:] = order[:, -5:]
    assert vectors.recall(half) == 0.5


def test_smallest_depth_that_reaches_a_recall(path: str) -> None:
    found = race(path, "FAISS IVF,Flat", [20], [0.6, 0.601, 1.0], 60.0)
    first, same, last = found["searches"]
    assert 0.6 <= first["recall"] < last["recall"] == 1.0
    assert first["depth"] < last["depth"]
    assert same == first | {"wanted": 0.601}
    assert found["seconds"] > 0
    assert first["seconds"] > 0


@pytest.mark.slow
def test_what_is_not_reached_is_left_out(path: str) -> None:
    found = race(path, "FAISS IVF,PQ4fs,RFlat", [4, 1], [0.2, 1.0], 60.0)
    assert [search["wanted"] for search in found["searches"]] == [0.2]
    assert race(path, "FAISS IVF,Flat", [4], [0.5], 0.0)["searches"] == []
