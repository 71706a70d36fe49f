import pytest
import torch

from soil_pyg.encoders.tfidf_basis import TfidfBasis

TEXTS = ["green tea", "black tea tea", "", "红 tea", "wine, green wine"]


def test_state_gives_the_same_vectors() -> None:
    basis = TfidfBasis.fit(TEXTS, channels=3, max_words=10)
    again = TfidfBasis.from_tensors({k: v.clone() for k, v in basis.tensors().items()})
    assert again.words == basis.words == ["tea", "green", "black", "wine", "红"]
    assert torch.equal(again.encode(TEXTS), basis.encode(TEXTS))
    rows = torch.cat([basis.encode([text]) for text in TEXTS])
    assert torch.equal(rows, basis.encode(TEXTS))


def test_unknown_words_count_for_nothing() -> None:
    basis = TfidfBasis.fit(TEXTS, channels=3, max_words=2)
    assert basis.words == ["tea", "green"]
    found = basis.encode(["tea gin", "tea", "gin", ""])
    assert torch.equal(found[0], found[1])
    assert not found[2:].any()


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("दाल", "दिल", False),
        ("চাল", "চুল", False),
        ("caf\u00e9", "cafe\u0301", True),
        ("\u0130STANBUL", "istanbul", True),
    ],
)
def test_words_with_marks(first: str, second: str, is_same: bool) -> None:
    basis = TfidfBasis.fit([first, second], channels=2, max_words=9)
    assert len(basis.words) == (1 if is_same else 2)


def test_no_words() -> None:
    with pytest.raises(ValueError, match="no text has a word"):
        TfidfBasis.fit(["", "!?"], channels=3, max_words=2)


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
    state = TfidfBasis.fit(TEXTS, channels=3, max_words=10).tensors()
    change(state)
    with pytest.raises(ValueError, match="the words of texts are damaged"):
        TfidfBasis.from_tensors(state)
