"""The figures of the page "Results"."""

from collections.abc import Iterable
from statistics import fmean, stdev
from typing import Any

from soil_bench.pages.prose import Figures
from soil_bench.pages.records import Records
from soil_bench.runs.results import CHOICE, Record
from soil_pyg.configs import load_config

PROFILES = {"soil": "best"}
"""The profile in the table of models, for a model that has some."""


def results(records: Records) -> Figures:
    """Returns the figures of the page "Results".

    Raises:
        ValueError: If the runs behind a figure are missing.
    """

    def best(
        model: str, profile: str | None = None, dataset: str = "tiktok", **settings: Any
    ) -> list[Record]:
        runs = records.best(dataset, model, profile, **settings)
        if not runs:
            raise ValueError(f"there are no runs of {model} on {dataset} with {settings}")
        return runs

    def searched(model: str, profile: str | None = None, dataset: str = "mls") -> list[str]:
        found = spread(tested(best(model, profile, dataset)), 4)
        # Systems without training do not depend on the seed.
        return found if load_config(model).schedule else found[:1]

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
    compared = [
        ("soil", "released"),
        *((name, None) for name in ("pgl", "gume", "simgcl", "xsimgcl", "sgl")),
        ("soil", "best"),
        *((name, None) for name in ("mgcn", "mmgf", "lightgcn", "itemknn", "bpr")),
    ]
    sparse = [
        ("soil", "best"),
        ("soil", "released"),
        *((name, None) for name in ("lightgcn", "mmgf", "itemknn", "bpr")),
    ]
    return [
        (
            "SOIL's ``released`` profile reaches {} ± {}, PGL {} ± {} and GUME {} ± {}; without "
            "features, SimGCL reaches {} ± {}, XSimGCL {} ± {} and SGL {} ± {}. SOIL's ``best`` "
            "reaches {} ± {}, MGCN {} ± {}, MMGF {} without training, LightGCN {} ± {}, ItemKNN "
            "{} and BPR {} ± {}.",
            [figure for system in compared for figure in searched(*system)],
        ),
        (
            "SOIL's ``best`` reaches {} ± {}, ``released`` {} ± {}, LightGCN {} ± {}, MMGF {} "
            "without training, ItemKNN {} and BPR {} ± {};",
            [figure for system in sparse for figure in searched(*system, "ml1m_sparse")],
        ),
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
