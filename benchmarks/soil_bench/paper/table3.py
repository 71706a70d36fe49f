"""Table 3: SOIL with some of its four parts: two graphs and two losses."""

from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import ArgumentParser, Namespace

from soil_bench.paper.report import table3_report
from soil_bench.runs.arguments import add_profile
from soil_bench.runs.experiment import (
    Experiment,
    Variant,
    csv_columns,
    describe,
    metrics_of,
    paired_difference,
    write_csv,
    write_record,
)
from soil_bench.runs.results import CHOICE
from soil_bench.runs.tables import print_report

WITHOUT: dict[str, dict[str, Any]] = {
    "second-order graph": {"second_order": False},
    "interest graph": {"interest": False},
    "L_ui": {"l_ui": 0.0},
    "L_ii": {"l_ii": 0.0},
}
"""The options that leave each part out."""
PARTS = list(WITHOUT)
ROWS: list[tuple[list[str], dict[str, float]]] = [
    ([], {"baby": 0.0884, "sports": 0.0996, "clothing": 0.0768}),
    (["L_ui", "L_ii"], {"baby": 0.0984, "sports": 0.1071, "clothing": 0.0976}),
    (
        ["second-order graph", "interest graph"],
        {"baby": 0.0962, "sports": 0.1008, "clothing": 0.0860},
    ),
    (
        ["second-order graph", "interest graph", "L_ui"],
        {"baby": 0.1002, "sports": 0.1092, "clothing": 0.0880},
    ),
    (
        ["second-order graph", "L_ui", "L_ii"],
        {"baby": 0.0984, "sports": 0.1112, "clothing": 0.0989},
    ),
    (["interest graph", "L_ui", "L_ii"], {"baby": 0.1011, "sports": 0.1139, "clothing": 0.0997}),
    (PARTS, {"baby": 0.1028, "sports": 0.1155, "clothing": 0.0998}),
]
"""The parts of each row, and the published Recall@20."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this table."""
    add_profile(parser)


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs SOIL with each set of parts, prints the table, and writes it as CSV and as a record."""
    dataset = experiment.plan.dataset
    variants = [variant(parts, arguments.profile) for parts, _ in ROWS]
    runs = experiment.run(variants)
    whole = metrics_of(runs[-1])[CHOICE]
    rows = []
    for (parts, published), group in zip(ROWS, runs, strict=True):
        test = metrics_of(group)
        row: dict[str, Any] = {"parts": parts, "test": test, "published": {}}
        if dataset in published:
            row["published"] = {CHOICE: published[dataset]}
        row["difference"] = paired_difference(test[CHOICE], whole)
        rows.append(row)
    record = describe(experiment, [run for group in runs for run in group])
    record |= {"profile": arguments.profile, "parts": PARTS, "rows": rows}
    table = [
        {part: part in row["parts"] for part in PARTS}
        | {"profile": arguments.profile, "seeds": experiment.num_seeds}
        | csv_columns(row["test"], row["published"])
        | {f"{CHOICE} {name} to all": value for name, value in row["difference"].items()}
        for row in rows
    ]
    write_csv(pd.DataFrame(table), folder / f"table3-{dataset}.csv")
    write_record(experiment, "table3", record)
    print_report(table3_report(record), experiment.console)


def variant(parts: list[str], profile: str) -> Variant:
    """Returns SOIL with some of its parts."""
    options: dict[str, Any] = {}
    for part, without in WITHOUT.items():
        if part not in parts:
            options |= without
    return Variant(", ".join(parts) or "none", "soil", profile, options)
