"""Every figure in the README and the documentation comes from a record."""

import re
import shutil
from pathlib import Path
from statistics import fmean, stdev

import pytest

from page import main
from soil_bench.pages.figures import PAGES, README, rewritten, write_figures
from soil_bench.pages.prose import loose_figures
from soil_bench.pages.records import Records

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results.jsonl"
PROSE = [README, *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.rst")))]
PYTHONS = {"3.10", "3.11", "3.13"}
CONSTANTS = {
    README: PYTHONS,
    "docs/start.rst": PYTHONS,
    # Versions, the time of a build, and the size of a package.
    "docs/dependencies.rst": {*PYTHONS, "2.6", "4", "240"},
    "docs/past_one_machine.rst": {"240"},
    # The limit of what a compressed file may take, in MiB.
    "docs/security.rst": {"256"},
    # Limits of the server in seconds.
    "docs/serving.rst": {"30", "75"},
    # The value that MMHCL was published with, and the share of missing features.
    "docs/results.rst": {".1139", "30"},
}
"""Figures that are not measured here, by page."""


@pytest.fixture(scope="module")
def records() -> Records:
    return Records([RESULTS])


def test_the_page_of_results_is_that_of_the_records(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    shutil.copytree(RESULTS.parent / "records", folder / "records")
    shutil.copy(RESULTS, folder)
    page = folder / "README.md"
    assert main([str(folder / RESULTS.name), "--out", str(page)]) == 0
    assert page.read_text("utf-8") == (ROOT / "benchmarks" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_figures_are_those_of_the_records(records: Records, page: str) -> None:
    assert rewritten(records, ROOT, page) == (ROOT / page).read_text("utf-8"), (
        "run 'python benchmarks/page.py benchmarks/results.jsonl'"
    )


@pytest.mark.parametrize("page", PROSE)
def test_every_figure_has_a_record(records: Records, page: str) -> None:
    phrases = [phrase for phrase, _ in PAGES[page](records)] if page in PAGES else []
    text = (ROOT / page).read_text("utf-8")
    known = CONSTANTS.get(page, set())
    loose = [
        (line, found) for line, found in loose_figures(text, phrases, page) if found not in known
    ]
    assert loose == [], f"{page}: give these figures a record in soil_bench/pages/figures.py"


def test_changed_figures_are_written_anew(tmp_path: Path) -> None:
    """Otherwise the tests above would show nothing."""
    (tmp_path / "docs").mkdir()
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        figures = r"0\.0519|\.0998|\d+(?= s for a naive)|28(?= %)|[\d.]+(?=\s+times as long as)"
        wrong = re.sub(figures, "77", text)
        assert wrong != text
        (tmp_path / page).write_text(wrong, "utf-8")
    write_figures([RESULTS], tmp_path)
    for page in PAGES:
        assert (tmp_path / page).read_text("utf-8") == (ROOT / page).read_text("utf-8")


def test_figures_by_hand(records: Records) -> None:
    runs = [
        run["test"]["recall@20"]
        for run in records.runs
        if (run["model"], run["dataset"]) == ("bpr", "tiktok") and run["epochs"] > 20
    ]
    assert len(runs) == 3
    row = "`BPR` | [UAI 2009](https://arxiv.org/abs/1205.2618) | embeddings, ranked pair by pair"
    text = rewritten(records, ROOT, README)
    assert f"| {row} | {fmean(runs):.4f} ± {stdev(runs):.4f} |" in text


def test_what_is_said_about_the_differences_of_soil(records: Records) -> None:
    """The paragraph on profiles in docs/benchmark.rst."""
    gains = {"sigmoid_gate", "contrast", "aggregation", "divide_fusion", "exclude_interacted"}
    unclear = {"second_order_scale", "aggr", "count_users", "floor"}
    found: dict[tuple[str, str, str], tuple[float, float]] = {}
    for dataset in ("synthetic", "tiktok"):
        for row in records.record(f"fidelity-{dataset}")["rows"]:
            if row["start"] == "released":
                for metric, value in row["differences"].items():
                    key = dataset, row["option"], metric
                    found[key] = value["difference"], value["standard_error"]
    assert {option for _, option, _ in found} == {*gains, *unclear, "bpr_reduction", "all"}
    for (dataset, option, metric), (difference, error) in found.items():
        if option in gains:
            assert difference < -3 * error
        elif option in unclear:
            assert abs(difference) <= 3 * error
        elif option == "bpr_reduction":
            is_cost = (dataset, metric) == ("synthetic", "ndcg@20")
            assert (difference > 0) == is_cost
