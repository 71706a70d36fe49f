import pytest
import torch

from soil_pyg.encoders.tfidf_basis import TfidfBasis
from soil_pyg.encoders.word_counts import WordCounts

TEXTS = ["green tea", "black tea tea", "", "红 tea", "wine, green wine"]
COUNTS = WordCounts.of(TEXTS)


def test_state_gives_the_same_vectors() -> None:
    basis = TfidfBasis.fit(COUNTS, channels=3, max_words=10)
    again = TfidfBasis.from_tensors({k: v.clone() for k, v in basis.tensors().items()})
    assert again.words == basis.words == ["tea", "green", "black", "wine", "红"]
    assert torch.equal(again.encode(COUNTS), basis.encode(COUNTS))
    rows = torch.cat([basis.encode(WordCounts.of([text])) for text in TEXTS])
    assert torch.equal(rows, basis.encode(COUNTS))


def test_unknown_words_count_for_nothing() -> None:
    basis = TfidfBasis.fit(COUNTS, channels=3, max_words=2)
    assert basis.words == ["tea", "green"]
    found = basis.encode(WordCounts.of(["tea gin", "tea", "gin", ""]))
    assert torch.equal(found[0], found[1])
    assert not found[2:].any()


def test_no_words() -> None:
    with pytest.raises(ValueError, match="no text has a word"):
        TfidfBasis.fit(WordCounts.of(["", "!?"]), channels=3, max_words=2)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("idf"),
        lambda state: state.update(words=torch.tensor([255], dtype=torch.uint8)),
        lambda state: state.update(vectors=state["vectors"][:2]),
    ],
    ids=["a missing part", "no text", "fewer vectors"],
)
def test_damaged_state(change: object) -> None:
    state = TfidfBasis.fit(COUNTS, channels=3, max_words=10).tensors()
    change(state)
    with pytest.raises(ValueError, match="the words of texts are damaged"):
        TfidfBasis.from_tensors(state)
