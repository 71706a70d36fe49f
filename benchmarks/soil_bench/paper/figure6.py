"""Figure 6: second-order items that turn up in the test set.

For some users the lists in full, for all users the share of test items, against as many items of
other lists. Items of the user's training set are left out.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.paper.pictures import (
    BLUE,
    ORANGE,
    TWO_COLUMNS,
    picture,
    require_matplotlib,
    short_id,
)
from soil_bench.paper.runs import (
    MODEL,
    add_graphs,
    add_profile,
    heading,
    load_models,
    over_seeds,
    text_of,
)
from soil_bench.runs.experiment import Experiment, Variant, write_csv
from soil_bench.runs.tables import Report, print_report
from soil_pyg.models import Popularity
from soil_pyg.ops.ragged import order_by_group, rank_in_group
from soil_pyg.ranking.evaluator import Evaluator, held_out
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS, ITEM, SECOND_ORDER, USER
from soil_pyg.workflow.ids import find_positions

SHOWN = 3
LISTS = ("second-order", "SOIL")
SECOND, OURS = LISTS
RULE = (
    "those with the longest lists of second-order items, then with the most test items, then by id"
)


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this figure.

    Args:
        parser (ArgumentParser): The parser.
    """
    add_profile(parser)
    parser.add_argument(
        "--users", type=str, nargs="+", help=f"ids of the users to show (default: {SHOWN}, {RULE})"
    )
    parser.add_argument("--items", type=PositiveInt, default=10, help="the most items of a list")


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs SOIL, and writes the lists, the shares of hits and the picture of both.

    Args:
        experiment (Experiment): The experiment.
        arguments (Namespace): The arguments.
        folder (Path): The folder of the files.

    Raises:
        ValueError: If a user is unknown, a setting cannot be right, the weights of a finished run
            are gone, or matplotlib is not installed.
        FailedRunsError: If a run fails.
    """
    require_matplotlib()
    chosen = None
    if arguments.users is not None:
        wanted, known = list(dict.fromkeys(arguments.users)), np.asarray(experiment.data[USER].id)
        chosen = torch.from_numpy(find_positions(wanted, known, "--users", USER))
    variant = Variant(OURS, MODEL, arguments.profile)
    experiment.run([variant])
    models = load_models(experiment, variant)
    data = add_graphs(experiment, variant).to("cpu")
    second_order = unseen_second_order(data, arguments["items"])
    if chosen is None:
        chosen = choose_users(data, second_order[0])
    lists = lists_of(data, second_order, models[0], chosen, arguments["items"])
    shares = shares_of(data, second_order, models, arguments["items"])
    path = folder / f"figure6-{experiment.plan.dataset}"
    write_csv(shares, path.with_name(f"{path.name}.csv"))
    write_csv(lists, path.with_name(f"{path.name}-lists.csv"))
    what = heading(experiment, arguments.profile)
    width = max(TWO_COLUMNS, 2.8 + 0.42 * lists["rank"].max())
    height = max(2.4, 1.1 + 0.68 * len(chosen))
    with picture(path, height=height, width=width) as figure:
        draw_lists(figure, f"{what}; lists of seed 0", lists, shares)
    note = "Of each list as many items of a user as there are second-order items; random: expected"
    print_report(report(shares, f"{what}. {note}"), experiment.console)


def unseen_second_order(data: HeteroData, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns user, item and weight of the second-order items that are not in the training set.

    They are in the order of the users, and of a user by larger weight, then smaller item.

    Args:
        data (HeteroData): The data with the graphs of SOIL.
        most (int): The most items of a user.
    """
    (user, item), weight = data[SECOND_ORDER].edge_index, data[SECOND_ORDER].edge_weight
    is_unseen = ~is_among(user, item, data[INTERACTS].edge_index, data)
    user, item, weight = user[is_unseen], item[is_unseen], weight[is_unseen]
    order = order_by_group(user, weight)
    order = order[rank_in_group(user[order]) < most]
    return user[order], item[order], weight[order]


def is_among(user: Tensor, item: Tensor, pairs: Tensor, data: HeteroData) -> Tensor:
    """Returns whether each pair of a user and an item is among others.

    Args:
        user (Tensor): The users.
        item (Tensor): The items; the number of items stands for none.
        pairs (Tensor): The others, of shape :obj:`[2, num_pairs]`.
        data (HeteroData): The data.
    """
    stride = data[ITEM].num_nodes + 1
    return torch.isin(user * stride + item, pairs[0] * stride + pairs[1])


def choose_users(data: HeteroData, listed: Tensor) -> Tensor:
    """Returns the users to show, by a rule that looks neither at the model nor at the hits.

    Args:
        data (HeteroData): The data.
        listed (Tensor): The user of each second-order item.
    """
    num_users = data[USER].num_nodes
    length = torch.bincount(listed, minlength=num_users)
    num_test = torch.bincount(held_out(data, "test")[0], minlength=num_users)
    order = np.lexsort((-num_test.numpy(), -length.numpy()))
    return torch.from_numpy(order[num_test.numpy()[order] > 0][:SHOWN])


def lists_of(
    data: HeteroData,
    second_order: tuple[Tensor, Tensor, Tensor],
    trained: TrainedModel,
    users: Tensor,
    most: int,
) -> pd.DataFrame:
    """Returns the second-order items and the top of the model's ranking, a row an item.

    Args:
        data (HeteroData): The data.
        second_order (tuple): What :func:`unseen_second_order` returns.
        trained (TrainedModel): The model.
        users (Tensor): The users to show.
        most (int): The length of the ranking.
    """
    ranked = Evaluator().rank(trained.user_emb, trained.item_emb, data, users, most)
    test = held_out(data, "test")
    parts = []
    for place, user in enumerate(users):
        own = second_order[0] == user
        lists = {SECOND: (second_order[1][own], second_order[2][own])}
        is_item = ranked[1][place] < data[ITEM].num_nodes
        lists[OURS] = (ranked[1][place][is_item], ranked[0][place][is_item])
        for name, (item, score) in lists.items():
            row: dict[str, Any] = {"user": trained.user_id[int(user)], "list": name}
            row |= {"rank": np.arange(1, len(item) + 1), "item": trained.item_id[item.numpy()]}
            row |= {"score": score.numpy(), "test items": int((test[0] == user).sum())}
            row["in test"] = is_among(user, item, test, data).numpy()
            row["second-order"] = torch.isin(item, lists[SECOND][0]).numpy()
            parts.append(pd.DataFrame(row))
    return pd.concat(parts, ignore_index=True)


def shares_of(
    data: HeteroData,
    second_order: tuple[Tensor, Tensor, Tensor],
    models: list[TrainedModel],
    most: int,
) -> pd.DataFrame:
    """Returns the share of test items in lists of the same lengths, over all users of the test.

    Each list has as many items of a user as the user has second-order items. Of random items the
    expectation is told.

    Args:
        data (HeteroData): The data.
        second_order (tuple): What :func:`unseen_second_order` returns.
        models (list[TrainedModel]): The model of each seed.
        most (int): The most items of a list.
    """
    num_users, num_items = data[USER].num_nodes, data[ITEM].num_nodes
    test, train = held_out(data, "test"), data[INTERACTS].edge_index
    users, num_test = test[0].unique(return_counts=True)
    length = torch.bincount(second_order[0], minlength=num_users)[users]
    num_unseen = num_items - torch.bincount(train[0], minlength=num_users)[users]
    popularity = Popularity(num_users, num_items)(data)
    rankings = [(model.user_emb, model.item_emb) for model in models]

    def hits(user_emb: Tensor, item_emb: Tensor) -> float:
        ranked = Evaluator().rank(user_emb, item_emb, data, users, most)[1]
        is_listed = torch.arange(ranked.size(1)) < length.unsqueeze(1)
        is_hit = is_among(users.unsqueeze(1), ranked, test, data)
        return float((is_hit & is_listed).sum())

    found = {
        "random": [float((length * num_test / num_unseen.clamp(min=1)).sum())],
        "popular": [hits(*popularity)],
        SECOND: [float(is_among(*second_order[:2], test, data).sum())],
        OURS: [hits(*embeddings) for embeddings in rankings],
    }
    total = int(length.sum())
    rows = []
    for name, values in found.items():
        share, std = over_seeds([value / total if total else np.nan for value in values])
        row = {"list": name, "users": int((length > 0).sum()), "items": total}
        rows.append(row | {"test items": float(np.mean(values)), "share": share, "share std": std})
    return pd.DataFrame(rows)


def report(shares: pd.DataFrame, what: str) -> Report:
    """Returns the shares as a table.

    Args:
        shares (pandas.DataFrame): The shares.
        what (str): What was run.
    """
    rows = [
        [
            row["list"],
            f"{row['users']:,}",
            f"{row['items']:,}",
            f"{row['test items']:,.1f}",
            text_of(row["share"], row["share std"], ".2%"),
        ]
        for row in shares.to_dict("records")
    ]
    columns = ["list", "users", "items", "test items", "share"]
    return Report("Test items among unseen items", columns, rows, [what])


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN, LINE = "white", "0.75"
# From one user to the next, in heights of a list.
STEP = 3.0


def draw_lists(figure: "Figure", title: str, lists: pd.DataFrame, shares: pd.DataFrame) -> None:
    """Draws the lists of some users beside the shares of hits over all users.

    Args:
        figure (matplotlib.figure.Figure): The figure.
        title (str): The text above.
        lists (pandas.DataFrame): The items of the lists.
        shares (pandas.DataFrame): The share of each list.
    """
    from matplotlib.patches import Patch

    figure.suptitle(title)
    left, right = figure.subplots(1, 2, width_ratios=[3.4, 1])
    _draw_lists(left, lists)
    _draw_shares(right, shares)
    marks = [
        Patch(facecolor=ORANGE, edgecolor=LINE, label="in the user's test set"),
        Patch(facecolor=PLAIN, edgecolor=BLUE, lw=1.5, label="second-order item"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2)


def _draw_lists(axes: "Axes", lists: pd.DataFrame) -> None:
    from matplotlib.patches import Rectangle

    users = lists.drop_duplicates("user").set_index("user")["test items"].to_dict()
    places = {
        (user, name): STEP * number + line
        for number, user in enumerate(users)
        for line, name in enumerate(LISTS)
    }
    for _, row in lists.iterrows():
        x, y = row["rank"], places[row["user"], row["list"]]
        box = Rectangle((x - 0.46, y - 0.42), 0.92, 0.84, edgecolor=LINE, lw=0.6)
        box.set_facecolor(ORANGE if row["in test"] else PLAIN)
        if row["second-order"]:
            box.set(edgecolor=BLUE, linewidth=1.5)
        axes.add_patch(box)
        axes.text(x, y, short_id(row["item"]), ha="center", va="center")
    listed = set(zip(lists["user"], lists["list"], strict=True))
    for (user, name), y in places.items():
        if (user, name) not in listed:
            axes.text(0.54, y, "none", va="center")
    for user, count in users.items():
        number = "1 test item" if count == 1 else f"{count} test items"
        text = f"user {short_id(user, most=20)}, {number}"
        axes.text(0.54, places[user, LISTS[0]] - 0.55, text, va="bottom")
    axes.set_yticks(list(places.values()), [name for _, name in places])
    axes.set_xticks(range(1, lists["rank"].max() + 1))
    axes.set_xlim(0.5, lists["rank"].max() + 0.5)
    axes.set_ylim(max(places.values()) + 0.5, -1.4)
    axes.set_xlabel("rank of the item in the list")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_shares(axes: "Axes", shares: pd.DataFrame) -> None:
    percent, std = 100 * shares["share"].to_numpy(), 100 * shares["share std"].to_numpy()
    place = np.arange(len(shares))
    colours = [BLUE if name == "second-order" else "0.6" for name in shares["list"]]
    axes.barh(place, percent, height=0.6, color=colours, xerr=np.nan_to_num(std), ecolor="black")
    for x, y, spread in zip(percent, place, np.nan_to_num(std), strict=True):
        axes.annotate(
            *(f"{x:.2f}", (x + spread, y)), (3, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(place, shares["list"].replace("random", "random\n(expected)"))
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_xlim(0, 1.35 * np.nanmax([*(percent + np.nan_to_num(std)), 1e-6]))
    axes.tick_params(axis="y", length=0)
    title = f"all users,\n{shares['items'].max():,} items each"
    axes.set(title=title, xlabel="in the test set (%)")
