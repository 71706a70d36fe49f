import pytest

from soil_bench.pages.prose import loose_figures, with_columns, with_figures

TEXT = """It reaches .1092 ± .0025, against .09
with one modality, in 3 s and with ``lr`` 0.001.

| class | idea | tiktok |
|---|---|---|
| `BPR` | pairs, 2 % | 0.0519 ± 0.0020 |
| `SOIL` | items | - |
"""
PHRASE = "reaches {} ± {}, against {} with"


def test_numbers_are_replaced_across_line_ends() -> None:
    text = with_figures(TEXT, [(PHRASE, ["12.5", ".1", "1,000"])], "a page")
    assert text == TEXT.replace(".1092 ± .0025", "12.5 ± .1").replace(".09\n", "1,000\n")
    same = [(PHRASE, [".1092", ".0025", ".09"])]
    assert with_figures(TEXT, same, "a page") == TEXT


@pytest.mark.parametrize("phrase", ["reaches {} after", "{} ± {}", "in 4 s"])
def test_a_phrase_must_be_there_once(phrase: str) -> None:
    with pytest.raises(ValueError, match="a page"):
        with_figures(TEXT, [(phrase, [".1"])], "a page")


def test_figures_outside_of_phrases_are_found() -> None:
    assert loose_figures(TEXT, [PHRASE], "a page") == [(2, "3"), (2, "0.001")]
    found = [text for _, text in loose_figures(TEXT, [], "a page")]
    assert found == [".1092", ".0025", ".09", "3", "0.001"]
    assert loose_figures("```\n1.5\n```\n``1.5`` https://a.b/1.5 v1.5.2 SIGIR'21\n", [], "") == []
    nested = "- a\n\n  .. code-block:: console\n\n     $ 1.5\n\n  and 2.5\n  :width: 3.5\n"
    assert loose_figures(nested, [], "") == [(7, "2.5")]
    code = ".. code-block:: python\n\n   x = 1.5\n\nIt has 1.25 and 7 GiB, 30% and 4 epochs.\n"
    assert [text for _, text in loose_figures(code, [], "")] == ["1.25", "7", "30", "4"]


def test_columns_of_the_table_of_models() -> None:
    text = with_columns(TEXT, {"tiktok": lambda name: f"0.5 {name}", "baby": str})
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == ["| `BPR` | pairs, 2 % | 0.5 BPR |", "| `SOIL` | items | 0.5 SOIL |"]
    assert with_columns("no table, 1.5", {"tiktok": str}) == "no table, 1.5"
