from pathlib import Path

import numpy as np
import pytest

from soil_bench.speed.item_features import SOURCES, draw_features, posters_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    known = rng.standard_normal((5, 40))
    known[2] = 0
    np.save(tmp_path / "image_feat.npy", known)
    return tmp_path / "image_feat.npy"


def cosine(x: np.ndarray) -> np.ndarray:
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


@pytest.mark.parametrize("source", SOURCES)
def test_draws_by_seed(source: str, path: Path) -> None:
    x = draw_features(source, 300, 16, 7, path)
    assert (x.shape, x.dtype) == ((300, 4 if source == "posters" else 16), np.float32)
    np.testing.assert_array_equal(x, draw_features(source, 300, 16, 7, path))
    assert not np.array_equal(x, draw_features(source, 300, 16, 8, path))


def test_styles_are_groups_of_eight() -> None:
    close = cosine(draw_features("styles", 20, 256, 0)) > 0.5
    group = np.arange(20) // 8
    np.testing.assert_array_equal(close, group[:, None] == group)


def test_mixture_has_clusters_of_different_sizes_and_a_tail() -> None:
    x = draw_features("mixture", 2_000, 64, 0)
    similar = (cosine(x) > 0.5).sum(axis=1)
    # The first cluster is the largest, and the last tenth lies alone.
    assert similar[0] > 4 * similar[1_700]
    assert np.median(similar[1_800:]) < np.median(similar[:1_800])


def test_posters_repeat_known_rows_in_order(path: Path) -> None:
    x = draw_features("posters", 400, 64, 0, path)
    known = np.delete(np.load(path), 2, axis=0)
    mean = x.reshape(4, 100, -1).mean(axis=1)
    # A rotation keeps inner products.
    np.testing.assert_allclose(mean @ mean.T, known @ known.T, atol=8)


def test_file_of_posters(tmp_path: Path) -> None:
    assert posters_file(tmp_path, "image") is None
    (tmp_path / "ml1m").mkdir()
    (tmp_path / "ml1m" / "image_feat.npy").touch()
    assert posters_file(tmp_path, "image") == str(tmp_path / "ml1m" / "image_feat.npy")
