"""The figures in the README and the documentation, each by the record that it comes from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from soil_bench.pages.prose import Figures, with_columns, with_figures
from soil_bench.pages.records import Records
from soil_bench.pages.results_figures import PROFILES, results, tested
from soil_bench.runs.results import mean_std
from soil_bench.speed.item_features import POSTERS
from soil_bench.systems.report import COLUMNS, systems_reports
from soil_pyg.ops.search_options import EXACT_ITEMS
from soil_pyg.utils.files import write_text


def write_figures(results: Sequence[Path], root: Path) -> None:
    """Writes the figures in the README and the documentation of a repository.

    Args:
        results (list[Path]): The files of finished runs.
        root (Path): The folder of the repository.

    Raises:
        FileNotFoundError: If a record is missing.
        ValueError: If a page does not have a phrase.
    """
    records = Records(results)
    for page in PAGES:
        write_text(root / page, rewritten(records, root, page))


def rewritten(records: Records, root: Path, page: str) -> str:
    """Returns a page of a repository with its figures from the records.

    Raises:
        FileNotFoundError: If a record is missing.
        ValueError: If the page does not have a phrase.
    """
    text = (root / page).read_text("utf-8")
    text = with_figures(text, PAGES[page](records), page)
    return with_columns(text, columns(records)) if page == README else text


def columns(records: Records) -> dict[str, Callable[[str], str]]:
    """Returns, by data set, a function that returns the Recall@20 of a class."""

    def column(dataset: str) -> Callable[[str], str]:
        def cell(name: str) -> str:
            model = name.lower()
            return mean_std(tested(records.best(dataset, model, PROFILES.get(model))), 4)

        return cell

    return {dataset: column(dataset) for dataset in records.datasets()}


def first_day(records: Records) -> Figures:
    """Returns the figures of the README beside its table of models."""
    found = records.record("first-day")
    values = [f"{found['purchases']:,}", f"{found['seconds']:.0f}"]
    return [("The first recommendation from {} purchases takes {} s", values)]


def own_data(records: Records) -> Figures:
    """Returns the figures of the page "Your own data"."""
    lightgcn = records.record("patience-ml1m_sparse")["values"]["lightgcn"]["stops"]
    lost, whole = lightgcn["10"][0], lightgcn["100"][0]
    values = [f"{lost['loss']:.0%}"[:-1], str(whole["best_epoch"])]
    return [("validation Recall@20 is {} % below that of epoch {} (", values)]


def large_data(records: Records) -> Figures:
    """Returns the figures of the page "Large data"."""
    rows = {row["name"]: row["median"] for row in records.record("graphs")["rows"]}
    graphs, epoch = rows["all graphs, s"], rows["epoch with evaluation, s"]
    scale = records.record("scale")
    millions = {size["source"]: size for size in scale["sizes"] if size["items"] == 10**6}
    million, posters = millions["mixture"], millions[POSTERS]
    recall = [found["recall"] for found in million["graphs"]["search"].values()]
    stages = records.record("pipeline")["stages"]
    peak = max(stage["peak_rss_mb"] for stage in stages.values()) / 1024
    baby, ml1m = (_lightgcn_seconds(records, name) for name in ("baby", "ml1m"))
    raced = ["soil_pyg", "PyG with torch-sparse", "RecBole", "Cornac with DGL"]
    by_items = {row["items"]: row for row in records.record("limit")["rows"]}
    at_limit, above = by_items[EXACT_ITEMS], by_items[2 * EXACT_ITEMS]
    saved = [row["exact"]["seconds"] - row["index"]["seconds"] for row in (at_limit, above)]
    return [
        (
            "evaluation takes {} s on two cores, in PyG with torch-sparse {} s, in RecBole {} s, "
            "in Cornac with DGL {} s, in PyG {} s (",
            [baby[name] for name in [*raced, "PyG"]],
        ),
        (
            "interactions, it takes {} s, in PyG with torch-sparse {} s, in RecBole {} s, in "
            "Cornac with DGL {} s, in LensKit {} s, in PyG {} s",
            [ml1m[name] for name in [*raced, "LensKit", "PyG"]],
        ),
        (
            "the exact graphs take {} s on two cores, and an index saves {} s of them",
            [f"{at_limit['exact']['seconds']:.0f}", f"{saved[0]:.0f}"],
        ),
        ("At twice the limit it saves {} s", [f"{saved[1]:.0f}"]),
        (
            "takes {} s, against {} s for a naive rendering",
            [f"{graphs['fast']:.1f}", f"{graphs['naive']:.0f}"],
        ),
        (
            "an epoch with validation takes {} s against {} s",
            [f"{epoch['fast']:.0f}", f"{epoch['naive']:.0f}"],
        ),
        (
            "the graphs of a million items and two million users take {} minutes at a recall of {} "
            "to {}, and an epoch about {} minutes",
            [
                f"{million['graphs']['seconds'] / 60:.0f}",
                *(f"{value:.2f}" for value in (min(recall), max(recall))),
                f"{million['training']['epoch_seconds'] / 60:.0f}",
            ],
        ),
        (
            "of posters, whose search goes deeper, the graphs take {} minutes",
            [f"{posters['graphs']['seconds'] / 60:.0f}"],
        ),
        (
            "grows with the power {} of the number of items, that of an epoch with the power {} (",
            [f"{scale['exponents']['time'][name]:.2f}" for name in ("graphs", "epoch")],
        ),
        ("no process takes more than {} GiB", [f"{peak:.1f}"]),
        ("The graphs take {} minutes on", [f"{stages['graphs']['seconds'] / 60:.0f}"]),
    ]


def _lightgcn_seconds(records: Records, dataset: str) -> dict[str, str]:
    rows = systems_reports(records.record(f"systems-{dataset}"))[-1].rows
    return {row[0]: row[COLUMNS.index("epoch s")] for row in rows}


def benchmark(records: Records) -> Figures:
    """Returns the figures of the page "Benchmark"."""
    rows = records.record("busy")["rows"]
    own, spinning = (f"{median(row['busy']) / median(row['alone']):.1f}" for row in rows[::2])
    return [("training takes {} times as long as alone, and {} times with", [own, spinning])]


README = "README.md"
PAGES: dict[str, Callable[[Records], Figures]] = {
    README: first_day,
    "docs/results.rst": results,
    "docs/large_data.rst": large_data,
    "docs/own_data.rst": own_data,
    "docs/benchmark.rst": benchmark,
}
"""The pages with figures, and their functions."""
