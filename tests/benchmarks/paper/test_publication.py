import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soil_bench.paper.publication import bibliography, render
from soil_pyg.configs import available_configs

METRICS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20")


def row(model: str, values: list[float], profile: str | None = None) -> dict[str, Any]:
    test = {metric: list(values) for metric in METRICS}
    return {"model": model, "profile": profile, "test": test, "published": {}}


def record(**changes: Any) -> dict[str, Any]:
    rows = [row("bpr", [0.1, 0.1]), row("vbpr", [0.2, 0.3]), row("soil", [0.3, 0.4], "best")]
    test = {"over": "users", "other": "bpr", "metric": "recall@20", "p_t_test_holm": 0.001}
    head = {"dataset": "a_b", "seeds": 2, "epochs": None, "rows": rows, "comparisons": [test]}
    return head | changes


def test_markdown() -> None:
    lines = render(record(), "markdown").splitlines()
    assert lines[0] == "| Model | Recall@10 | Recall@20 | NDCG@10 | NDCG@20 |"
    assert lines[2].startswith(r"| BPR | 0.1000 ± 0.0000 | 0.1000 ± 0.0000\*\* | 0.1000")
    assert lines[3].startswith("| VBPR | <u>0.2500</u> ± 0.0707 | <u>0.2500</u> ± 0.0707 |")
    assert lines[4].startswith("| SOIL (best) | **0.3500** ± 0.0707 |")
    assert "a_b, 2 seeds" in lines[-1]
    assert r"\*\* p < 0.01" in lines[-1]


def test_latex_needs_no_package_and_is_balanced() -> None:
    text = render(record(), "latex")
    for environment in ("table", "tabular"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 1
    assert text.count("{") == text.count("}")
    body = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert {line.count(" & ") for line in body} == {4}
    assert r"\begin{tabular}{lcccc}" in text
    assert r"a\_b" in text
    assert r"BPR~\cite{bpr} & 0.1000 $\pm$ 0.0000 & 0.1000 $\pm$ 0.0000$^{**}$" in text
    assert r"\underline{0.2500} $\pm$ 0.0707" in text
    assert r"SOIL (best)~\cite{soil} & \textbf{0.3500}" in text
    commands = set(re.findall(r"\\([a-z]+)", text))
    known = {"begin", "end", "centering", "caption", "hline", "cite", "textbf", "underline", "pm"}
    assert commands == known


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_the_entries_of_all_models(tmp_path: Path) -> None:
    """With LaTeX alone, without a package."""
    rows = [row(name, [0.1, 0.2]) for name in available_configs()]
    test = {"over": "users", "other": "bpr", "metric": "recall@20", "p_t_test_holm": 0.001}
    found = record(rows=rows, comparisons=[test])
    (tmp_path / "table.tex").write_text(render(found, "latex"), "utf-8")
    (tmp_path / "models.bib").write_text(bibliography(found), "utf-8")
    page = r"\documentclass{article}\begin{document}\input{table}\bibliographystyle{plain}"
    (tmp_path / "page.tex").write_text(page + r"\bibliography{models}\end{document}", "utf-8")
    latex = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page"]
    for command in (latex, ["bibtex", "page"], latex, latex):
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
        assert b"Warning--" not in done.stdout
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert b"undefined" not in (tmp_path / "page.log").read_bytes()


def test_csv() -> None:
    table = pd.read_csv(io.StringIO(render(record(), "csv")))
    assert table["model"].tolist() == ["bpr", "vbpr", "soil"]
    assert table["recall@20"].tolist() == pytest.approx([0.1, 0.25, 0.35])
    assert table["recall@20 std"].tolist() == pytest.approx([0, 0.0707107, 0.0707107], rel=1e-5)
    assert table["recall@20 mark"].fillna("").tolist() == ["**", "", ""]


def test_one_seed_has_no_deviation_and_equal_figures_share_their_place() -> None:
    rows = [row("bpr", [0.10001]), row("vbpr", [0.10004]), row("soil", [0.05])]
    lines = render(record(seeds=1, rows=rows, comparisons=[]), "markdown").splitlines()
    assert lines[2].startswith("| BPR | **0.1000** | ")
    assert lines[3].startswith("| VBPR | **0.1000** | ")
    assert lines[4].startswith("| SOIL | <u>0.0500</u> | ")
    assert "p <" not in lines[-1]


def test_bibliography_has_each_model_once() -> None:
    rows = [row("bpr", [0.1]), row("soil", [0.1], "paper"), row("soil", [0.1], "best")]
    keys = re.findall(r"^@\w+\{(\w+),", bibliography(record(rows=rows)), re.MULTILINE)
    assert keys == ["bpr", "soil"]
