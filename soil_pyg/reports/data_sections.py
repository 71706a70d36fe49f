"""What the data tells: its own numbers, the graphs, and what the lists of recommendations hold."""

from typing import Any

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.reports.analysis import Analysis
from soil_pyg.reports.data_charts import degree_tails, group_bars, missing_modalities
from soil_pyg.reports.ranking_statistics import history_novelty
from soil_pyg.reports.run_sections import Question, Tile
from soil_pyg.reports.runs import Summary
from soil_pyg.reports.statistics import data_statistics, graph_statistics
from soil_pyg.reports.table import Share, Table

GRAPHS = {
    "interacts": "the training interactions",
    "second_order": "the items that a user nearly chose",
    "user_item": "interactions and second-order items, normalised and summed",
    "aggregation": "from which users gather the views of items",
    "unweighted": "the training interactions without weights",
    "co_occurrence": "items that share users",
    "item_item": "the graphs of all modalities, weighted and summed",
    "_similar": "the most similar items by {}",
    "_nearest": "the nearest items by {}",
    "_item_item": "similar items and items of a user's interest by {}",
}


def data_section(data: HeteroData, description: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the part of the page on the data, by the names in the template.

    Args:
        data (HeteroData): The data.
        description (dict[str, Any], optional): How it was prepared.
    """
    numbers = data_statistics(data)
    users, items = numbers.user_degree.double(), numbers.item_degree.double()
    rows: list[list[Any]] = [
        ["Users", numbers.num_users],
        ["Items", numbers.num_items],
        *([f"Interactions for {split}", count] for split, count in numbers.num_pairs.items()),
        ["Density: pairs that are training interactions", Share(numbers.density)],
        ["Coverage: items with training interactions", Share(numbers.item_coverage)],
        *(
            [f"Interactions for {split} with such an item", Share(share)]
            for split, share in numbers.covered.items()
        ),
        ["Training interactions of the top tenth of items", Share(numbers.top_share)],
    ]
    spreads = [["A user", *_spread(users)], ["An item", *_spread(items)]]
    patterns = [
        [" + ".join(names) or "none", count, Share(count / numbers.num_items)]
        for names, count in numbers.patterns
    ]
    return {
        "numbers": Table("The data in numbers", ["Of the data", "Number"], rows),
        "spreads": Table("Training interactions", ["Of", "Mean", "Median", "Most"], spreads),
        "degrees": degree_tails(numbers.user_degree, numbers.item_degree),
        "modalities": list(numbers.missing),
        "missing": (
            missing_modalities(numbers.missing, numbers.num_items)
            if any(numbers.missing.values())
            else None
        ),
        "patterns": Table("Modalities that items have", ["Modalities", "Items", "Share"], patterns),
        "prepared": None if description is None else _prepared(description),
    }


def graph_section(data: HeteroData) -> Table:
    """Returns the table of the graphs.

    Args:
        data (HeteroData): The data with the graphs.
    """
    rows = []
    for graph in graph_statistics(data):
        source, name, target = graph.edge_type
        rows.append(
            [
                f"{name} ({source} to {target})",
                _meaning(name),
                graph.num_edges,
                *graph.mean_degree,
                *graph.num_isolated,
            ]
        )
    columns = ["Graph", "What it holds", "Edges", "Edges a source", "Edges a target"]
    columns += ["Sources without", "Targets without"]
    return Table("Graphs that the model reads", columns, rows)


def list_section(question: Question, data: HeteroData, analysis: Analysis) -> dict[str, Any]:
    """Returns the part of the page on the lists of recommendations.

    Args:
        question (Question): What the report is about.
        data (HeteroData): The data.
        analysis (Analysis): What the lists hold.
    """
    k = question.k
    by_popularity = group_bars(
        "by-popularity",
        "Recall by popularity of the item",
        ("Training interactions of the item", "Share found"),
        analysis.popularity,
        analysis.recall_by_popularity,
        f"Share of the held-out interactions whose item is among the first {k}. The groups hold "
        "about the same number of interactions each, the least popular items first.",
    )
    by_history = group_bars(
        "by-history",
        "Recall by length of the history",
        ("Training interactions of the user", f"recall@{k}"),
        analysis.history,
        analysis.recall_by_history,
        f"Mean recall@{k} of the users. The groups hold about the same number of users each, the "
        "shortest histories first.",
    )
    return {
        "charts": [by_popularity, by_history],
        "coverage": _by_length("Coverage of the lists", analysis.coverage),
        "novelty": _by_length("Novelty of the lists", analysis.novelty),
        "history_novelty": history_novelty(data),
        "tiles": [
            Tile(f"Coverage@{k}", analysis.coverage[question.best.label][k], "share of all items"),
            Tile(f"Novelty@{k}", analysis.novelty[question.best.label][k], "bits a recommendation"),
        ],
    }


def _by_length(caption: str, values: dict[str, dict[int, Summary]]) -> Table:
    lengths = list(next(iter(values.values())))
    rows = [[label, *of_group.values()] for label, of_group in values.items()]
    return Table(caption, ["Settings", *(f"@{length}" for length in lengths)], rows)


def _spread(degree: Tensor) -> list[float]:
    return [float(degree.mean()), int(degree.median()), int(degree.max())]


def _meaning(name: str) -> str:
    if name in GRAPHS:
        return GRAPHS[name]
    for suffix, meaning in GRAPHS.items():
        if suffix.startswith("_") and name.endswith(suffix):
            return meaning.format(name.removesuffix(suffix))
    return ""


def _prepared(description: dict[str, Any]) -> Table:
    rows = [
        [step["why"], step["users"], step["items"], step["pairs"]]
        for step in description.get("dropped", [])
    ]
    return Table("What was dropped on the way", ["Why", "Users", "Items", "Interactions"], rows)
