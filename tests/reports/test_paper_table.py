import re

import pandas as pd
import pytest

from soil_pyg.configs import available_configs, load_config
from soil_pyg.reports.paper_table import bibtex, latex_text, paper_table, rows_of_runs


def test_seeds_of_a_setting_are_one_row() -> None:
    frame = pd.DataFrame(
        {
            "run": ["a", "b", "c", "d"],
            "model": ["BPR", "BPR", "BPR", "SOIL"],
            "data": ["shop 1"] * 4,
            "lr": [0.1, 0.1, 0.2, 0.1],
            "k": pd.array([None, None, None, 5]),
            "seed": [0, 1, 0, 0],
            "best_epoch": [3, 4, 5, 6],
            "test recall@20": [0.1, 0.2, 0.3, 0.4],
            "val recall@20": [0.1, None, 0.3, 0.4],
        }
    )
    rows = rows_of_runs(frame, ["recall@20"])
    values = {row.name: row.values for row in rows}
    assert values == {
        "BPR (lr=0.1)": {"recall@20": [0.1, 0.2]},
        "BPR (lr=0.2)": {"recall@20": [0.3]},
        "SOIL": {"recall@20": [0.4]},
    }
    with pytest.raises(ValueError, match=r"'metrics' .*'recall@20'.*'recall@5'"):
        rows_of_runs(frame, ["recall@5"])
    lines = paper_table(rows, ["Runs"], "markdown").splitlines()
    assert lines[2:5] == [
        "| BPR (lr=0.1) | 0.1500 ± 0.0707 |",
        "| BPR (lr=0.2) | <u>0.3000</u> |",
        "| SOIL | **0.4000** |",
    ]
    assert r"SOIL~\cite{soil} & \textbf{0.4000} \\" in paper_table(rows, ["Runs"], "latex")


@pytest.mark.parametrize("missing", [None, pd.NA, float("nan")])
def test_an_option_that_only_some_runs_have_is_a_setting(missing: object) -> None:
    frame = pd.DataFrame(
        {
            "run": ["a", "b", "c"],
            "model": ["VBPR"] * 3,
            "data": ["shop 1"] * 3,
            "modalities": pd.array([missing, "['image']", missing], dtype=object),
            "seed": [0, 0, 1],
            "test recall@20": [0.1, 0.2, 0.3],
        }
    )
    rows = {row.name: row.values for row in rows_of_runs(frame, ["recall@20"])}
    assert rows == {
        "VBPR": {"recall@20": [0.1, 0.3]},
        "VBPR (modalities=['image'])": {"recall@20": [0.2]},
    }


def test_runs_that_make_no_table_are_refused() -> None:
    frame = pd.DataFrame(
        {
            "run": ["a", "b", "c"],
            "model": ["BPR"] * 3,
            "data": ["shop 1"] * 3,
            "seed": [0, 1, 2],
            "test recall@20": [0.1, 0.2, 0.3],
            "test ndcg@20": [0.1, 0.2, 0.3],
        }
    )
    assert rows_of_runs(frame, ["recall@20"])[0].values == {"recall@20": [0.1, 0.2, 0.3]}
    untested = frame.assign(**{"test recall@20": [0.1, None, 0.3], "test ndcg@20": [0.1, None, 0]})
    for wrong, message in [
        (frame.assign(data=["shop 1", "shop 1", "bar 2"]), r"same data.*\(got shop 1, bar 2\)"),
        (frame.assign(seed=[0, 1, 0]), r"settings or seeds \(got 'a' and 'c'\)"),
        (frame.drop(columns="seed"), r"settings or seeds \(got 'a' and 'b'\)"),
        (untested, r"'runs' must have test metrics \(got 'b', which has none\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            rows_of_runs(wrong, ["recall@20"])
    # The same folder twice is one run.
    again = pd.concat([frame, frame.head(1)], ignore_index=True)
    assert rows_of_runs(again, ["recall@20"])[0].values == {"recall@20": [0.1, 0.2, 0.3]}


@pytest.mark.parametrize("name", available_configs())
def test_every_citation_becomes_an_entry(name: str) -> None:
    entry, config = bibtex(name), load_config(name)
    assert entry.count("{") == entry.count("}")
    assert re.search(r"  year = \{\d{4}\},\n", entry)
    assert f"  url = {{{config.source}}}," in entry
    (authors,) = re.findall(r"  author = \{(.*)\},\n", entry)
    assert "," not in authors
    assert all(author in config.citation for author in authors.split(" and "))
    (title,) = re.findall(r"  title = \{\{(.*)\}\},\n", entry)
    assert title.replace("\\", "") in config.citation


def test_an_entry() -> None:
    assert bibtex("freedom").splitlines() == [
        "@inproceedings{freedom,",
        "  author = {Xin Zhou and Zhiqi Shen},",
        "  title = {{A Tale of Two Graphs: Freezing and Denoising Graph Structures for Multimodal "
        "Recommendation}},",
        "  booktitle = {ACM Multimedia},",
        "  year = {2023},",
        "  url = {https://doi.org/10.1145/3581783.3611943},",
        "}",
    ]


def test_characters_that_text_fonts_lack() -> None:
    assert latex_text("p < 0.05 | a^b >") == r"p $<$ 0.05 $|$ a\textasciicircum{}b $>$"


def test_reserved_characters() -> None:
    assert latex_text(r"50 % & a_b #1 ±$") == r"50 \% \& a\_b \#1 $\pm$\$"
