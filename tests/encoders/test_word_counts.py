import pytest

from soil_pyg.encoders.word_counts import WordCounts, split_words


def test_counts() -> None:
    counts = WordCounts.of(["tea, Tea rum", "", "rum"])
    assert counts.num_texts == 3
    assert counts.text.tolist() == [0, 0, 2]
    assert counts.word.tolist() == ["tea", "rum", "rum"]
    assert counts.times.tolist() == [2, 1, 1]


def test_no_words() -> None:
    counts = WordCounts.of(["", "!?"])
    assert (counts.num_texts, len(counts.text), len(counts.word)) == (2, 0, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't 2x_y", ["don", "t", "2x_y"]),
        ("\u0926\u093e\u0932 \u091a\u093e\u092f", ["\u0926\u093e\u0932", "\u091a\u093e\u092f"]),
        ("\u099a\u09be\u09b2", ["\u099a\u09be\u09b2"]),
        ("cafe\u0301", ["caf\u00e9"]),
        ("\u0130STANBUL", ["istanbul"]),
        ("\ucd94\ucd9c \ud64d\ucc28", ["\ucd94\ucd9c", "\ud64d\ucc28"]),
    ],
    ids=["Latin", "Hindi", "Bengali", "two forms", "Turkish", "Korean"],
)
def test_words_between_blanks(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("红茶杯", ["红茶", "茶杯"]),
        ("茶", ["茶"]),
        ("USB充电器2m、红", ["usb", "充电", "电器", "2m", "红"]),
        ("佐々木", ["佐々", "々木"]),
        ("コーヒー・お茶", ["コー", "ーヒ", "ヒー", "お茶"]),
        ("ชา ดำ", ["ชา", "ดำ"]),
        ("𠮷野家", ["𠮷野", "野家"]),
    ],
    ids=[
        "Chinese",
        "one character",
        "with Latin",
        "repeated",
        "Japanese",
        "Thai",
        "beyond 16 bits",
    ],
)
def test_pairs_of_characters_without_blanks(text: str, words: list[str]) -> None:
    assert split_words(text) == words
