"""The figures in the README and the documentation, each by the record that it comes from."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from soil_bench.pages.prose import Figures, with_columns, with_figures
from soil_bench.runs.results import CHOICE, Record, mean_std, read_records
from soil_bench.runs.selection import best_of, by_settings
from soil_pyg.configs import load_config
from soil_pyg.ops.search_options import EXACT_ITEMS
from soil_pyg.utils.files import write_text
from soil_pyg.utils.records import parse_json

PROFILES = {"soil": "best"}
"""The profile in the table of models, for a model that has some."""
WHOLE = {"num_partitions": 1, "batches_per_step": 1}


class Records:
    """The finished runs, and the records of the other commands.

    Args:
        results (list[Path]): The files of finished runs; the records lie in the folder
            :obj:`"records"` beside the first one.
    """

    def __init__(self, results: Sequence[Path]) -> None:
        self.folder = results[0].parent / "records"
        self.runs = [run for path in results for run in read_records(path).values()]

    def record(self, name: str) -> Any:
        """Returns the record of a command."""
        return parse_json((self.folder / f"{name}.json").read_bytes())

    def datasets(self) -> list[str]:
        """Returns the names of the data sets of the runs."""
        return sorted({run["dataset"] for run in self.runs})

    def best(
        self, dataset: str, model: str, profile: str | None = None, **settings: Any
    ) -> list[Record]:
        """Returns the runs of the settings with the best val metric, or nothing if there are none.

        Args:
            dataset (str): The data set.
            model (str): The model.
            profile (str, optional): The profile. (default: :obj:`None`)
            **settings: Settings that the runs have.
        """
        wanted = (WHOLE | settings).items()
        groups = by_settings(
            run
            for run in self.runs
            if (run["dataset"], run["model"], run["profile"]) == (dataset, model, profile)
            and all(run["settings"][name] == value for name, value in wanted)
        )
        return best_of(groups) if groups else []


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
    million = records.record("scale")["sizes"][-1]
    recall = [found["recall"] for found in million["graphs"]["search"].values()]
    slow = million["training"]["epoch_seconds"]
    stages = records.record("pipeline")["stages"]
    peak = max(stage["peak_rss_mb"] for stage in stages.values()) / 1024
    by_items = {row["items"]: row for row in records.record("limit")["rows"]}
    at_limit, above = by_items[EXACT_ITEMS], by_items[2 * EXACT_ITEMS]
    saved = [row["exact"]["seconds"] - row["index"]["seconds"] for row in (at_limit, above)]
    return [
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
            "graphs of a million items took {} minutes at a recall of {} to {}, and an epoch about "
            "{} hours",
            [
                f"{million['graphs']['seconds'] / 60:.0f}",
                *(f"{value:.2f}" for value in (min(recall), max(recall))),
                f"{slow / 3600:.0f}",
            ],
        ),
        ("no process takes more than {} GiB", [f"{peak:.1f}"]),
        ("The graphs take {} minutes on", [f"{stages['graphs']['seconds'] / 60:.0f}"]),
    ]


def benchmark(records: Records) -> Figures:
    """Returns the figures of the page "Benchmark"."""
    rows = records.record("busy")["rows"]
    own, spinning = (f"{median(row['busy']) / median(row['alone']):.1f}" for row in rows[::2])
    return [("training takes {} times as long as alone, and {} times with", [own, spinning])]


def results(records: Records) -> Figures:
    """Returns the figures of the page "Results".

    Raises:
        ValueError: If the runs behind a figure are missing.
    """

    def best(model: str, profile: str | None = None, **settings: Any) -> list[Record]:
        runs = records.best("tiktok", model, profile, **settings)
        if not runs:
            raise ValueError(f"there are no runs of {model} on tiktok with {settings}")
        return runs

    def early(model: str, epochs: int) -> list[str]:
        first, whole = tested(best(model, epochs=epochs)), best(model)
        published = short(load_config(model).published["tiktok"][CHOICE], 4)
        best_epoch = fmean(run["best_epoch"] for run in whole)
        figures = [*spread(first, 3), str(epochs), published, mean(tested(whole), 3)]
        return [*figures, f"{best_epoch:.0f}"]

    def lost(name: str, *kept: int) -> str:
        record = records.record(f"table3-{name}")
        parts = [record["parts"][number] for number in kept]
        (row,) = (row for row in record["rows"] if row["parts"] == parts)
        return short(abs(row["difference"]["difference"]), 3)

    both = best("soil", "best")
    image, audio = (
        tested(best("soil", "best", modalities=[modality])) for modality in ("image", "audio")
    )
    trials = records.record("tuned-tiktok-lightgcn")["trials"]
    worst = min(trial["value"] for trial in trials if trial["state"] == "complete")
    patience = load_config("bm3").schedule["patience"]
    patient, published = (tested(best("bm3", patience=epochs)) for epochs in (60, patience))
    missing = records.record("missing-tiktok")["values"]["soil"]
    lacking = (missing[kind]["0.3"][CHOICE] for kind in ("leave out", "mean"))
    intact = missing["leave out"]["0"][CHOICE]
    single = [lost("tiktok", 0, 2, 3), lost("tiktok", 1, 2, 3)]
    return [
        ("the item-item contrast (``l_ii`` {})", [str(both[0]["settings"]["l_ii"])]),
        (
            "``best`` reaches {} ± {}, with sounds alone {} ± {}, with both {} ± {}.",
            [*spread(image, 4), *spread(audio, 4), *spread(tested(both), 4)],
        ),
        (
            "LightGCN reaches {} ± {} after {} epochs (published {}) and {} after {};",
            early("lightgcn", 10),
        ),
        ("SLMRec {} ± {} after {} ({}) and {} after {};", early("slmrec", 5)),
        ("BPR {} ± {} after {} ({}) and {} after {} (", early("bpr", 20)),
        ("trained to its end reaches {} by validation", [short(worst, 3)]),
        (
            "with {} epochs instead of the published {} (``--bm3.patience``) it reaches {} "
            "instead of {}",
            ["60", str(patience), mean(patient, 3), mean(published, 3)],
        ),
        (
            "contrasts Recall@20 drops by {}, without the item-item contrast alone by {}.",
            [lost("tiktok", 0, 1), lost("tiktok", 0, 1, 2)],
        ),
        (
            "graphs it drops by {}, without either one by {} and {}",
            [lost("tiktok", 2, 3), *sorted(single)],
        ),
        ("SOIL is {} better without both graphs", [lost("synthetic", 2, 3)]),
        (
            "when 30 % are missing ({} ± {}, against {} ± {} with the mean of the others and "
            "{} ± {} with all features)",
            [text for values in (*lacking, intact) for text in spread(values, 4)],
        ),
    ]


def tested(runs: Iterable[Record]) -> list[float]:
    """Returns the test metric of each run."""
    return [run["test"][CHOICE] for run in runs]


def short(value: float, digits: int) -> str:
    """Returns a value below one without its zero."""
    return f"{value:.{digits}f}".removeprefix("0")


def mean(values: list[float], digits: int) -> str:
    """Returns the mean without its zero."""
    return short(fmean(values), digits)


def spread(values: list[float], digits: int) -> list[str]:
    """Returns the mean and the sample standard deviation without their zeros."""
    return [mean(values, digits), short(stdev(values), digits)]


README = "README.md"
PAGES: dict[str, Callable[[Records], Figures]] = {
    README: first_day,
    "docs/results.rst": results,
    "docs/large_data.rst": large_data,
    "docs/own_data.rst": own_data,
    "docs/benchmark.rst": benchmark,
}
"""The pages with figures, and their functions."""
