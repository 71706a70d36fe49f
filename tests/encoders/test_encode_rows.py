import hashlib
from pathlib import Path

import numpy as np
import pytest

from soil_pyg.encoders.encode_rows import encode_rows
from soil_pyg.encoders.vector_cache import VectorCache


def digest(text: str) -> str | None:
    return hashlib.sha256(text.encode()).hexdigest() if text else None


class Lengths:
    """Encodes texts by their lengths, and cannot encode questions."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.batches: list[list[str]] = []

    def __call__(self, rows: list[int]) -> tuple[list[int], np.ndarray]:
        self.batches.append([self.texts[row] for row in rows])
        kept = [row for row in rows if "?" not in self.texts[row]]
        if any("!" in self.texts[row] for row in rows):
            raise KeyboardInterrupt
        return kept, np.array([[1.0, len(self.texts[row])] for row in kept]).reshape(len(kept), 2)

    def encode(self, cache: VectorCache, batch_size: int = 2) -> np.ndarray | None:
        digests = [digest(text) for text in self.texts]
        return encode_rows(digests, self, cache, batch_size, "Counting")


NO_CACHE = VectorCache(None, "lengths", "1")


def test_each_content_is_encoded_once() -> None:
    lengths = Lengths(["one", "", "three", "one", "what?", "fourteen", "one"])
    x = lengths.encode(NO_CACHE)
    assert x.tolist() == [[1, 3], [0, 0], [1, 5], [1, 3], [0, 0], [1, 8], [1, 3]]
    assert x.dtype == np.float32
    assert lengths.batches == [["one", "three"], ["what?", "fourteen"]]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batch_size_does_not_matter(batch_size: int) -> None:
    lengths = Lengths(["a", "bb", "ccc", "dddd"])
    assert lengths.encode(NO_CACHE, batch_size).tolist() == lengths.encode(NO_CACHE, 2).tolist()


@pytest.mark.parametrize("texts", [[], ["", ""], ["what?", "who?"]])
def test_nothing_to_encode(texts: list[str]) -> None:
    assert Lengths(texts).encode(NO_CACHE) is None


def test_goes_on_after_an_interruption(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "lengths", "1")
    first = Lengths(["a", "bb", "ccc", "dddd!", "eeeee"])
    with pytest.raises(KeyboardInterrupt):
        first.encode(cache)
    second = Lengths(["eeeee", "ccc", "a", "bb"])
    x = second.encode(VectorCache(tmp_path, "lengths", "1"), batch_size=10)
    assert second.batches == [["eeeee", "ccc"]]
    assert x.tolist() == [[1, 5], [1, 3], [1, 1], [1, 2]]
    third = Lengths(["bb", "ccc"])
    assert third.encode(cache).tolist() == [[1, 2], [1, 3]]
    assert third.batches == []


def test_vectors_that_are_not_finite_are_not_kept(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "nan", "1")
    with pytest.raises(ValueError, match=r"^Encoding: .*finite"):
        encode_rows(
            [digest("a")], lambda rows: (rows, np.full((1, 2), np.nan)), cache, 1, "Encoding"
        )
    assert cache.load([digest("a")]) == {}
