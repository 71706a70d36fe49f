from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg import encode, load_data_folder, prepare
from soil_pyg.datasets.encoder import Encoder
from soil_pyg.encoders import TfidfEncoder
from soil_pyg.typing import ITEM


class Lengths:
    """Encodes titles as their length, without being fitted."""

    name = "lengths"
    version = "1"
    channels = 2

    def encode(self, items: pd.DataFrame) -> np.ndarray:
        length = items["title"].str.len().fillna(0).to_numpy()
        return np.stack([length] * self.channels, axis=1)


@pytest.fixture
def items() -> pd.DataFrame:
    titles = ["green tea", "black tea", "red wine", "white wine", None]
    return pd.DataFrame({"sku": [f"00{n}" for n in range(5)], "title": titles})


@pytest.fixture
def folder(items: pd.DataFrame, tmp_path: Path) -> Path:
    frame = pd.DataFrame([(u, i) for u in range(5) for i in items["sku"]], columns=["user", "sku"])
    features = {"text": TfidfEncoder("title", channels=3), "size": Lengths()}
    prepare(frame, tmp_path / "DATA", features, items=items, item_column="sku")
    return tmp_path / "DATA"


def test_known_items_have_the_stored_features(folder: Path, items: pd.DataFrame) -> None:
    encoders = {"text": TfidfEncoder("title", channels=3), "size": Lengths()}
    data = load_data_folder(folder)[ITEM]
    row = {item: place for place, item in enumerate(data.id)}
    # One at a time, and all in another order.
    for some in (*(items[n : n + 1] for n in range(4)), items[::-1]):
        features, ids = encode(some, encoders, folder)
        assert ids.tolist() == some["sku"].tolist()
        for modality, x in features.items():
            expected = data[f"x_{modality}"][[row[item] for item in ids]].numpy()
            assert np.array_equal(x, expected), modality


def test_new_items_have_the_words_of_known_ones(folder: Path) -> None:
    encoder = TfidfEncoder("title", channels=3)
    new = pd.DataFrame({"sku": ["a", "b", "c"], "title": ["wine and tea", "gin", "GREEN tea!"]})
    features, ids = encode(new, {"text": encoder}, folder)
    x = features["text"]
    assert ids.tolist() == ["a", "b", "c"]
    assert x.dtype == np.float32
    assert not x[1].any()
    data = load_data_folder(folder)[ITEM]
    assert np.array_equal(x[2], data.x_text[list(data.id).index("000")].numpy())
    assert np.linalg.norm(x[0]) > 0.5
    # The given encoder is still fitted to whatever it encodes.
    assert encoder.encode(new).any(axis=1).all()


@pytest.mark.parametrize(
    ("modality", "encoder", "message"),
    [
        ("text", TfidfEncoder("title"), r"'tfidf 3 \(3 channels.*got 'tfidf 3 \(256 channels"),
        ("text", TfidfEncoder("name", channels=3), "words of title.*words of name"),
        ("text", Lengths(), r"'text' of '.*DATA' was encoded by 'tfidf' \(got 'lengths'\)"),
        ("size", TfidfEncoder("title"), r"encoded by 'lengths' \(got 'tfidf'\)"),
        ("smell", Lengths(), r"no modality 'smell' \(got \['text', 'size'\]\)"),
    ],
)
def test_other_encoders(
    folder: Path, items: pd.DataFrame, modality: str, encoder: Encoder, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        encode(items, {modality: encoder}, folder)


def test_features_of_a_file(items: pd.DataFrame, tmp_path: Path) -> None:
    frame = pd.DataFrame([(u, i) for u in range(5) for i in items["sku"]], columns=["user", "item"])
    matrix = (np.eye(5), items["sku"].tolist())
    prepare(frame, tmp_path / "DATA", {"text": matrix})
    with pytest.raises(ValueError, match=r"'text' of .* was not computed by 'prepare'"):
        encode(items, {"text": TfidfEncoder("title")}, tmp_path / "DATA", item_column="sku")


def test_another_version(
    folder: Path, items: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = Lengths()
    encoder.version = "2"
    encode(items, {"size": encoder}, folder)
    assert "another version: 1, and the new items by 2" in caplog.text


def test_another_number_of_channels(folder: Path, items: pd.DataFrame) -> None:
    encoder = Lengths()
    encoder.channels = 7
    with pytest.raises(ValueError, match=r"'size' of '.*' has 2 channels \(got 7\)"):
        encode(items, {"size": encoder}, folder)
