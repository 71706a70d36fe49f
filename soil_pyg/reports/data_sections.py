"""The sections that require the data: its statistics, its graphs and recommendation lists."""

from typing import Any

import numpy as np
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.reports.analysis import Analysis
from soil_pyg.reports.chart import Share, Table
from soil_pyg.reports.data_charts import degree_tails, group_bars, missing_modalities
from soil_pyg.reports.ranking_statistics import history_novelty
from soil_pyg.reports.run_sections import Scope, Tile
from soil_pyg.reports.runs import Summary
from soil_pyg.reports.statistics import data_statistics, graph_statistics

GRAPHS = {
    "interacts": "training interactions",
    "second_order": "second-order items",
    "user_item": "sum of interactions and second-order items, normalised",
    "aggregation": "items whose modality views a user aggregates",
    "unweighted": "training interactions without weights",
    "co_occurrence": "items that share users",
    "item_item": "weighted sum of the graphs of all modalities",
    "_similar": "most similar items by {}",
    "_nearest": "nearest items by {}",
    "_item_item": "similar items and interest items by {}",
}
"""The contents of graphs by name, or by suffix after the name of a modality."""


def data_section(data: HeteroData, description: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the section on the data by the names in the template, with the steps of its
    preparation from :obj:`prepare.json`.
    """
    numbers = data_statistics(data)
    users, items = numbers.user_degree.double(), numbers.item_degree.double()
    rows: list[list[Any]] = [
        ["Users", numbers.num_users],
        ["Items", numbers.num_items],
        *([f"Interactions in {split}", count] for split, count in numbers.num_pairs.items()),
        ["Density (user-item pairs in train)", Share(numbers.density)],
        ["Coverage (items in train)", Share(numbers.item_coverage)],
        *(
            [f"Interactions in {split} with items in train", Share(share)]
            for split, share in numbers.covered.items()
        ),
        ["Interactions in train with the most popular tenth of items", Share(numbers.top_share)],
    ]
    spreads = [["user", *_spread(users)], ["item", *_spread(items)]]
    patterns = [
        [" + ".join(names) or "none", count, Share(count / numbers.num_items)]
        for names, count in numbers.patterns
    ]
    missing = missing_modalities(numbers.missing, numbers.num_items)
    steps = [] if description is None else description.get("dropped", [])
    dropped = [[step[name] for name in ("why", "users", "items", "pairs")] for step in steps]
    prepared = Table("Dropped", ["Reason", "Users", "Items", "Interactions"], dropped)
    return {
        "numbers": Table("Statistics", ["Statistic", "Value"], rows),
        "spreads": Table("Training interactions", ["Per", "Mean", "Median", "Maximum"], spreads),
        "degrees": degree_tails(numbers.user_degree, numbers.item_degree),
        "modalities": list(numbers.missing),
        "missing": missing if any(numbers.missing.values()) else None,
        "patterns": Table("Combinations of modalities", ["Modalities", "Items", "Share"], patterns),
        "prepared": None if description is None else prepared,
    }


def graph_section(data: HeteroData) -> Table:
    """Returns the table of the graphs in the data."""
    rows = []
    for graph in graph_statistics(data):
        source, name, target = graph.edge_type
        names = [f"{name} ({source} to {target})", _meaning(name)]
        rows.append([*names, graph.num_edges, *graph.mean_degree, *graph.num_isolated])
    columns = ["Graph", "Content", "Edges", "Edges per source", "Edges per target"]
    columns += ["Sources without edges", "Targets without edges"]
    return Table("Graphs of the model", columns, rows)


def list_section(scope: Scope, data: HeteroData, analysis: Analysis) -> dict[str, Any]:
    """Returns the section on the recommendation lists, by the names in the template."""
    k = scope.k
    by_popularity = group_bars(
        "by-popularity",
        "Recall by item popularity",
        ("Training interactions of the item", "Recalled share"),
        analysis.popularity,
        analysis.recall_by_popularity,
        f"Share of held-out interactions whose item is among the first {k}. Each group holds about "
        "the same number of interactions.",
        None if analysis.baseline is None else analysis.baseline.by_popularity,
    )
    by_history = group_bars(
        "by-history",
        "Recall by history length",
        ("Training interactions of the user", f"recall@{k}"),
        analysis.history,
        analysis.recall_by_history,
        f"Mean recall@{k} of the users. Each group holds about the same number of users.",
        None if analysis.baseline is None else analysis.baseline.by_history,
    )
    label = scope.best.label
    best = {name: values[label][k] for name, values in analysis.measures.items()}
    return {
        "charts": [by_popularity, by_history],
        **{
            name: _by_length(f"{name.capitalize()} of the lists", values)
            for name, values in analysis.measures.items()
        },
        "history_novelty": history_novelty(data),
        "tiles": [
            Tile(f"Coverage@{k}", best["coverage"], "share of all items"),
            Tile(f"Novelty@{k}", best["novelty"], "bits per recommendation"),
        ],
    }


def _by_length(caption: str, values: dict[str, dict[int, Summary]]) -> Table:
    lengths = list(next(iter(values.values())))
    rows = [[label, *of_group.values()] for label, of_group in values.items()]
    return Table(caption, ["Settings", *(f"@{length}" for length in lengths)], rows)


def _spread(degree: Tensor) -> list[float]:
    return [float(degree.mean()), float(np.median(degree.numpy(force=True))), int(degree.max())]


def _meaning(name: str) -> str:
    if name in GRAPHS:
        return GRAPHS[name]
    for suffix, meaning in GRAPHS.items():
        if suffix.startswith("_") and name.endswith(suffix):
            return meaning.format(name.removesuffix(suffix))
    return ""
