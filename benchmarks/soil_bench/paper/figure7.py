"""Figure 7: the consistency of both embedding spaces, with and without the contrastive losses.

The consistency of a user or an item is the cosine of its content and its side embedding.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.paper.pictures import BLUE, VERMILION, picture
from soil_bench.paper.runs import MODEL, add_graphs, heading, load_models, text_of
from soil_bench.runs.arguments import add_profile, require
from soil_bench.runs.experiment import Experiment, Variant, over_seeds, write_csv
from soil_bench.runs.tables import Report, print_report
from soil_pyg.models import SOIL
from soil_pyg.models.base import Recommender
from soil_pyg.typing import ITEM, USER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSSES = {"with": {}, "without": {"l_ui": 0.0, "l_ii": 0.0}}
COLOURS = {"with": (BLUE, "-"), "without": (VERMILION, "--")}
NODES = {USER: "users", ITEM: "items"}


@dataclass(frozen=True)
class Distribution:
    """The consistency of the users or of the items, over trained models of several seeds.

    Args:
        nodes (str): :obj:`"users"` or :obj:`"items"`.
        losses (str): :obj:`"with"` or :obj:`"without"` the contrastive losses.
        count (int): The number of users or items.
        edges (numpy.ndarray): The edges of the bins.
        density (numpy.ndarray): The density in each bin, the mean over seeds.
        density_std (numpy.ndarray): Its standard deviation, NaN for a single seed.
        mean (float): The mean consistency, averaged over seeds.
        mean_std (float): Its standard deviation, NaN for a single seed.
    """

    nodes: str
    losses: str
    count: int
    edges: np.ndarray
    density: np.ndarray
    density_std: np.ndarray
    mean: float
    mean_std: float


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this figure."""
    add_profile(parser)
    parser.add_argument("--bins", type=PositiveInt, default=50, help="number of bins from -1 to 1")


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs SOIL with and without the losses, and writes the table and the distributions."""
    require("matplotlib", "the figure")
    variants = {
        losses: Variant(f"{losses} the losses", MODEL, arguments.profile, options)
        for losses, options in LOSSES.items()
    }
    experiment.run(list(variants.values()))
    # The graphs do not depend on the weights of the losses.
    data = add_graphs(experiment, variants["with"])
    found = []
    for losses, variant in variants.items():
        models = [
            trained.model.to(experiment.plan.device) for trained in load_models(experiment, variant)
        ]
        values = [consistency(model, data) for model in models]
        for node_type, nodes in NODES.items():
            each = [value[node_type] for value in values]
            found.append(distribution(nodes, losses, each, arguments.bins))
    path = folder / f"figure7-{experiment.plan.dataset}"
    write_csv(pd.concat([rows_of(part) for part in found]), path.with_name(f"{path.name}.csv"))
    subject = heading(experiment, arguments.profile)
    with picture(path, height=2.9) as figure:
        draw_distributions(figure, subject, found)
    print_report(report(found, subject), experiment.console)


@torch.no_grad()
def consistency(model: Recommender, data: HeteroData) -> dict[str, np.ndarray]:
    """Returns the cosines of the content and the side embeddings of all users and of all items.

    Users and items with a zero embedding, such as items without features, are left out.
    """
    assert isinstance(model, SOIL)
    views = model.views(data)
    pairs = zip(views["content"], views["side"], strict=True)
    return {node_type: cosines(*pair) for node_type, pair in zip((USER, ITEM), pairs, strict=True)}


def cosines(first: Tensor, second: Tensor) -> np.ndarray:
    """Returns the cosines of the rows of two matrices, where neither row is zero."""
    norm = first.norm(dim=-1) * second.norm(dim=-1)
    is_defined = norm > 0
    cosine = (first * second).sum(dim=-1)[is_defined] / norm[is_defined]
    return np.asarray(cosine.clamp(-1, 1).double().numpy(force=True))


def distribution(nodes: str, losses: str, values: list[np.ndarray], num_bins: int) -> Distribution:
    """Returns the distribution of the consistency over equal bins from -1 to 1.

    Args:
        nodes (str): :obj:`"users"` or :obj:`"items"`.
        losses (str): :obj:`"with"` or :obj:`"without"` the contrastive losses.
        values (list[numpy.ndarray]): The consistencies, one array per seed.
        num_bins (int): The number of bins.

    Raises:
        ValueError: If a seed has no values.
    """
    if not all(len(value) for value in values):
        raise ValueError(f"the consistency of the {nodes} is undefined: all embeddings are zero")
    edges = np.linspace(-1, 1, num_bins + 1)
    densities = np.stack([np.histogram(value, edges, density=True)[0] for value in values])
    std = densities.std(axis=0, ddof=1) if len(values) > 1 else np.full(num_bins, np.nan)
    means = over_seeds([float(value.mean()) for value in values])
    return Distribution(nodes, losses, len(values[0]), edges, densities.mean(axis=0), std, *means)


def rows_of(found: Distribution) -> pd.DataFrame:
    """Returns one row per bin."""
    return pd.DataFrame(
        {
            "nodes": found.nodes,
            "contrastive losses": found.losses,
            "count": found.count,
            "from": found.edges[:-1],
            "to": found.edges[1:],
            "density": found.density,
            "density std": found.density_std,
            "mean": found.mean,
            "mean std": found.mean_std,
        }
    )


def report(distributions: list[Distribution], subject: str) -> Report:
    """Returns the mean consistency as a table.

    Args:
        distributions (list[Distribution]): The distributions.
        subject (str): The text of :func:`~soil_bench.paper.runs.heading`.
    """
    rows = [
        [found.nodes, found.losses, f"{found.count:,}", text_of(found.mean, found.mean_std, ".3f")]
        for found in distributions
    ]
    note = "Cosine of the content and the side embedding of each user and item"
    columns = ["nodes", "contrastive losses", "count", "mean cosine"]
    return Report("Consistency of the two embedding spaces", columns, rows, [subject, note])


def draw_distributions(figure: "Figure", title: str, distributions: list[Distribution]) -> None:
    """Draws one panel for the users and one for the items."""
    figure.suptitle(title)
    filled = np.sum([found.density for found in distributions], axis=0).nonzero()[0]
    edges = distributions[0].edges
    for axes, nodes in zip(figure.subplots(1, len(NODES)), NODES.values(), strict=True):
        for found in distributions:
            if found.nodes == nodes:
                _draw_distribution(axes, found)
        axes.set_xlim(edges[filled[0]], edges[filled[-1] + 1])
        axes.set_ylim(bottom=0)
        axes.set(xlabel="cosine of content and side embedding", ylabel=f"density of {nodes}")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _draw_distribution(axes: "Axes", found: Distribution) -> None:
    colour, style = COLOURS[found.losses]
    label = f"{found.losses} contrastive losses: mean {text_of(found.mean, found.mean_std, '.3f')}"
    axes.stairs(found.density, found.edges, fill=True, color=colour, alpha=0.2, lw=0)
    axes.stairs(found.density, found.edges, color=colour, ls=style, lw=1.2, label=label)
    axes.axvline(found.mean, color=colour, ls=style, lw=0.8)
