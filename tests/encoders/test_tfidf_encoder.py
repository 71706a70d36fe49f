import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.encoders import TfidfEncoder


def table(num_items: int = 60, num_words: int = 40, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = np.array([f"word{i}" for i in range(num_words)])
    share = 1 / np.arange(1, num_words + 1)
    titles = [
        " ".join(rng.choice(words, size=rng.integers(1, 12), p=share / share.sum()))
        for _ in range(num_items)
    ]
    titles[3] = None
    return pd.DataFrame({"item": range(num_items), "title": titles}, dtype=object)


def test_is_an_encoder() -> None:
    encoder = TfidfEncoder("title", channels=5)
    assert isinstance(encoder, Encoder)
    assert encoder.name == "tfidf"
    assert "5 channels" in encoder.version


def test_inner_products_of_all_channels_are_those_of_the_words() -> None:
    items = table()
    x = TfidfEncoder("title").encode(items)
    texts = [(title or "").split() for title in items["title"]]
    words = sorted({word for text in texts for word in text})
    num_texts = sum(bool(text) for text in texts)
    weights = np.zeros((len(texts), len(words)))
    for i, text in enumerate(texts):
        for t, word in enumerate(words):
            if word in text:
                idf = 1 + np.log((1 + num_texts) / (1 + sum(word in other for other in texts)))
                weights[i, t] = (1 + np.log(text.count(word))) * idf
    norm = np.linalg.norm(weights, axis=1, keepdims=True)
    weights = np.divide(weights, norm, out=np.zeros_like(weights), where=norm > 0)
    assert x.shape == (60, np.linalg.matrix_rank(weights))
    assert np.allclose(x @ x.T, weights @ weights.T, atol=1e-6)
    assert not x[3].any()


def test_same_as_scikit_learn() -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text", reason="needs the extra 'bench'")
    from sklearn.decomposition import TruncatedSVD

    items = table(num_items=200, num_words=300)
    x = TfidfEncoder("title", channels=8).encode(items)
    vectorizer = text.TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")
    present = items["title"].notna().to_numpy()
    weights = vectorizer.fit_transform(items["title"][present])
    expected = TruncatedSVD(8, algorithm="arpack").fit_transform(weights)
    assert x.shape == (200, 8)
    # The first channels have converged, and all together explain as much.
    assert np.allclose(np.abs(x[present, :2]), np.abs(expected[:, :2]), atol=1e-3)
    assert (x**2).sum() == pytest.approx((expected**2).sum(), rel=1e-3)


def test_order_of_the_items_does_not_matter() -> None:
    items = table()
    order = np.random.default_rng(1).permutation(len(items))
    x = TfidfEncoder("title", channels=6).encode(items)
    shuffled = TfidfEncoder("title", channels=6).encode(items.iloc[order])
    assert np.allclose(shuffled, x[order], atol=1e-6)
    assert np.array_equal(TfidfEncoder("title", channels=6).encode(items), x)


def test_only_the_most_frequent_words_count() -> None:
    items = pd.DataFrame({"item": range(4), "title": ["b c", "b", "a", "d"]})
    x = TfidfEncoder("title", max_words=2).encode(items)
    # Of the words that occur once, the first in the alphabet counts.
    assert x.any(axis=1).tolist() == [True, True, True, False]
    assert np.allclose(x[0], x[1])


@pytest.mark.parametrize("titles", [["tea"], ["tea", "tea"], ["tea", None, ""]])
def test_one_word(titles: list) -> None:
    x = TfidfEncoder("title").encode(pd.DataFrame({"item": range(len(titles)), "title": titles}))
    assert x[:, 0].tolist() == pytest.approx([float(bool(title)) for title in titles])
    assert x.shape == (len(titles), 1)


def test_words_of_every_script() -> None:
    items = pd.DataFrame({"item": [0, 1, 2], "title": ["Grüner TEE", "grüner", "緑茶 чай"]})
    x = TfidfEncoder("title").encode(items)
    assert x[0] @ x[1] > 0.5
    assert x[0] @ x[2] == pytest.approx(0, abs=1e-6)


def test_texts_without_words() -> None:
    items = pd.DataFrame({"item": [0, 1], "title": ["!?", "..."]})
    with pytest.raises(ValueError, match="'title'"):
        TfidfEncoder("title").encode(items)


@pytest.mark.parametrize("option", ["channels", "max_words"])
def test_wrong_options(option: str) -> None:
    with pytest.raises(ValueError, match=rf"'{option}' .* 1 \(got 0\)"):
        TfidfEncoder("title", **{option: 0})
