"""The page of results: reads files of finished runs and writes them as tables in Markdown.

Of the settings that were tried for a model, those with the best validation metric are shown.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from results import METRICS, environment, mean_std, read_records
from soil_pyg.configs import available_configs, load_config

CHOICE = "recall@20"
COLUMNS = ["model", "profile", "seeds", *METRICS, "published", "epoch", "minutes", "settings"]

INTRODUCTION = """# Results

Written by `python benchmarks/page.py benchmarks/results.jsonl`; each line of that file is a run of
`python benchmarks/run.py`, with all its settings.

Full ranking of all items, training items masked, means over the users with test items; mean ±
sample standard deviation over seeds. Settings are chosen by validation Recall@20 alone, among as
many as the last column says; training stops early on the same metric, and the test set is looked
at once, with the best weights. *published* is Recall@20 / NDCG@20 in the literature, where there
is any for the data set.
"""


def main(argv: list[str] | None = None) -> int:
    """Writes the page and returns the exit code.

    Args:
        argv (list[str], optional): The arguments of the command line. (default: :obj:`None`)
    """
    parser = argparse.ArgumentParser(prog="page.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("results", nargs="+", type=Path, help="files of finished runs")
    default = Path(__file__).with_name("README.md")
    parser.add_argument("--out", type=Path, default=default, help="the page (default: %(default)s)")
    arguments = parser.parse_args(argv)
    records: list[dict[str, Any]] = []
    for path in arguments.results:
        if not path.is_file():
            parser.error(f"'results' must name files of finished runs (got {path})")
        records += read_records(path).values()
    temporary = arguments.out.with_suffix(".tmp")
    temporary.write_text(page(records), encoding="utf-8")
    temporary.replace(arguments.out)
    return 0


def page(records: Iterable[dict[str, Any]]) -> str:
    """Returns the page of finished runs.

    Args:
        records (Iterable[dict]): The runs.
    """
    by_dataset: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_dataset.setdefault(record["dataset"], []).append(record)
    return "\n".join([INTRODUCTION, *(section(runs) for _, runs in sorted(by_dataset.items()))])


def section(runs: list[dict[str, Any]]) -> str:
    """Returns the table of one data set.

    Args:
        runs (list[dict]): The runs on the data set.
    """
    models: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for run in runs:
        tried = models.setdefault((run["model"], run["profile"] or "-"), {})
        tried.setdefault(repr(sorted(run["settings"].items())), []).append(run)
    rows = []
    for (model, profile), tried in models.items():
        best = max(tried.values(), key=lambda group: fmean(run["valid"][CHOICE] for run in group))
        rows.append((model, profile, best, [group[0]["settings"] for group in tried.values()]))
    rows.sort(key=lambda row: fmean(run["test"][CHOICE] for run in row[2]))
    lines = [
        f"## {runs[0]['dataset']}",
        "",
        f"Data digest `{runs[0]['data_digest'][:12]}`. {'; '.join(environment(runs))}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(table_row(*row) for row in rows),
        "",
    ]
    return "\n".join(lines)


def table_row(
    model: str, profile: str, group: list[dict[str, Any]], tried: list[dict[str, Any]]
) -> str:
    """Returns the row of one model.

    Args:
        model (str): The name of the model.
        profile (str): The name of the profile.
        group (list[dict]): The runs with the chosen settings.
        tried (list[dict]): All settings that were tried.
    """
    cells = [
        model,
        profile,
        str(len(group)),
        *(mean_std([run["test"][name] for run in group], 4) for name in METRICS),
        published(model, group[0]["dataset"]),
        mean_std([run["best_epoch"] for run in group], 0),
        mean_std([run["seconds"]["total"] / 60 for run in group], 1),
        chosen(group[0]["settings"], tried),
    ]
    return f"| {' | '.join(cells)} |"


def published(model: str, dataset: str) -> str:
    """Returns the published metrics of a model on a data set as text, or a dash."""
    if model not in available_configs():
        return "-"
    values = load_config(model).published.get(dataset, {})
    return f"{values['recall@20']:.4f} / {values['ndcg@20']:.4f}" if values else "-"


def chosen(settings: dict[str, Any], tried: list[dict[str, Any]]) -> str:
    """Returns the settings in which the tried ones differ, as those chosen have them."""
    varied = [name for name in settings if len({repr(other.get(name)) for other in tried}) > 1]
    if not varied:
        return "1 tried"
    values = ", ".join(f"{name} {settings[name]}" for name in varied)
    return f"{values}; {len(tried)} tried"


if __name__ == "__main__":
    sys.exit(main())
