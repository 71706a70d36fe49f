"""Table 1: the statistics of a data set beside the published ones."""

from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from torch_geometric.data import HeteroData

from soil_bench.runs.experiment import Experiment, write_csv
from soil_bench.runs.tables import Report, print_report
from soil_pyg.datasets import Amazon, MovieLens, TikTok
from soil_pyg.typing import (
    EDGE_INDICES,
    FEATURE_PREFIX,
    INTERACTS,
    ITEM,
    SPLITS,
    USER,
    modalities_of,
)


def add_arguments(parser: ArgumentParser) -> None:
    """Adds nothing: the table requires no runs."""


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Prints the table and writes it as CSV."""
    dataset = experiment.plan.dataset
    found, published = statistics(experiment.data), published_statistics(dataset)
    names = [*found, *(name for name in published if name not in found)]
    table = pd.DataFrame(
        {
            "quantity": names,
            "value": [found.get(name) for name in names],
            "published": [published.get(name) for name in names],
        },
        dtype=object,
    )
    write_csv(table, folder / f"table1-{dataset}.csv")
    rows = [
        [name, number_text(name, found.get(name)), number_text(name, published.get(name))]
        for name in names
    ]
    notes = [
        "Users without training interactions are dropped with all their interactions; published "
        "counts include them."
    ]
    title = f"Statistics of {dataset} ({experiment.data.digest[:12]})"
    report = Report(title, ["quantity", "here", "published"], rows, notes)
    print_report(report, experiment.console)


def statistics(data: HeteroData) -> dict[str, Any]:
    """Returns the statistics of a data set by their names."""
    pairs = [data[INTERACTS][name] for name in EDGE_INDICES]
    counts = {name: edges.size(1) for name, edges in zip(SPLITS, pairs, strict=True)}
    trained = data[INTERACTS].edge_index[1].unique()
    found = counted(data[USER].num_nodes, data[ITEM].num_nodes, sum(counts.values()))
    found |= {f"{name} interactions": count for name, count in counts.items()}
    found["users dropped"] = data.num_dropped_users
    found["items without training interactions"] = data[ITEM].num_nodes - len(trained)
    for modality in modalities_of(data):
        features = data[ITEM][FEATURE_PREFIX + modality]
        found[f"{modality}: dimensions"] = features.size(1)
        found[f"{modality}: items without"] = int((features == 0).all(dim=1).sum())
    return found


def published_statistics(dataset: str) -> dict[str, Any]:
    """Returns the published statistics of a data set by the same names."""
    published = (Amazon.published | MovieLens.published | TikTok.published).get(dataset)
    if published is None:
        return {}
    found = counted(*published.counts)
    for name, count in zip(SPLITS, published.splits or (), strict=False):
        found[f"{name} interactions"] = count
    return found


def counted(users: int, items: int, interactions: int) -> dict[str, Any]:
    """Returns the counts and the share of pairs without an interaction."""
    sparsity = 1 - interactions / (users * items)
    return {"users": users, "items": items, "interactions": interactions, "sparsity": sparsity}


def number_text(name: str, value: Any) -> str:
    """Returns a value of the table as text, a dash if it is unknown."""
    if value is None:
        return "-"
    return f"{value:.2%}" if name == "sparsity" else f"{value:,}"
