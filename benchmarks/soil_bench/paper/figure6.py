"""Figure 6: second-order items in the test set.

Shows full lists for some users, and over all users the share of test items beside that of other
lists of the same lengths. Items of the user's training set are left out.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.paper.figure6_picture import OURS, SECOND_ORDER, draw_lists
from soil_bench.paper.pictures import TWO_COLUMNS, picture
from soil_bench.paper.runs import MODEL, add_graphs, heading, load_models, text_of
from soil_bench.runs.arguments import add_profile, require
from soil_bench.runs.experiment import Experiment, Variant, over_seeds, write_csv
from soil_bench.runs.tables import Report, print_report
from soil_pyg import typing
from soil_pyg.models import Popularity
from soil_pyg.ops.ragged import order_by_group, rank_in_group
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.held_out import held_out
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS, ITEM, USER
from soil_pyg.workflow.ids import find_positions

SHOWN = 3
RULE = "by the longest lists of second-order items, then by the most test items, then by id"


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of this figure."""
    add_profile(parser)
    parser.add_argument(
        "--users", type=str, nargs="+", help=f"ids of the users to show (default: {SHOWN}, {RULE})"
    )
    parser.add_argument(
        "--items", type=PositiveInt, default=10, help="maximum number of items per list"
    )


def run(experiment: Experiment, arguments: Namespace, folder: Path) -> None:
    """Runs SOIL, and writes the lists, the shares of hits and the picture of both."""
    require("matplotlib", "the figure")
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
    subject = heading(experiment, arguments.profile)
    width = max(TWO_COLUMNS, 2.8 + 0.42 * lists["rank"].max())
    height = max(2.4, 1.1 + 0.68 * len(chosen))
    with picture(path, height=height, width=width) as figure:
        draw_lists(figure, f"{subject}; lists of seed 0", lists, shares)
    note = (
        "Every list has as many items per user as that of second-order items; random: expectation"
    )
    print_report(report(shares, f"{subject}. {note}"), experiment.console)


def unseen_second_order(data: HeteroData, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns user, item and weight of the second-order items that are not in the training set.

    They are sorted by user, then by descending weight, then by item.
    """
    (user, item), weight = (
        data[typing.SECOND_ORDER].edge_index,
        data[typing.SECOND_ORDER].edge_weight,
    )
    is_unseen = ~is_among(user, item, data[INTERACTS].edge_index, data)
    user, item, weight = user[is_unseen], item[is_unseen], weight[is_unseen]
    order = order_by_group(user, weight)
    order = order[rank_in_group(user[order]) < most]
    return user[order], item[order], weight[order]


def is_among(user: Tensor, item: Tensor, pairs: Tensor, data: HeteroData) -> Tensor:
    """Returns the mask of the pairs of user and item that are among other pairs.

    Args:
        user (Tensor): The users.
        item (Tensor): The items; the number of items stands for no item.
        pairs (Tensor): The other pairs, of shape :obj:`[2, num_pairs]`.
        data (HeteroData): The data.
    """
    stride = data[ITEM].num_nodes + 1
    return torch.isin(user * stride + item, pairs[0] * stride + pairs[1])


def choose_users(data: HeteroData, listed: Tensor) -> Tensor:
    """Returns the users to show, by a rule that depends neither on the model nor on the hits."""
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
    """Returns the second-order items and the top of the model's ranking, one row per item.

    Args:
        data (HeteroData): The data.
        second_order (tuple): The result of :func:`unseen_second_order`.
        trained (TrainedModel): The model.
        users (Tensor): The users to show.
        most (int): The length of the ranking.
    """
    ranked = Evaluator().rank(trained.user_emb, trained.item_emb, data, users, most)
    test = held_out(data, "test")
    parts = []
    for place, user in enumerate(users):
        own = second_order[0] == user
        lists = {SECOND_ORDER: (second_order[1][own], second_order[2][own])}
        is_item = ranked[1][place] < data[ITEM].num_nodes
        lists[OURS] = (ranked[1][place][is_item], ranked[0][place][is_item])
        for name, (item, score) in lists.items():
            row: dict[str, Any] = {"user": trained.user_id[int(user)], "list": name}
            row |= {"rank": np.arange(1, len(item) + 1), "item": trained.item_id[item.numpy()]}
            row |= {"score": score.numpy(), "test items": int((test[0] == user).sum())}
            row["in test"] = is_among(user, item, test, data).numpy()
            row["second-order"] = torch.isin(item, lists[SECOND_ORDER][0]).numpy()
            parts.append(pd.DataFrame(row))
    return pd.concat(parts, ignore_index=True)


def shares_of(
    data: HeteroData,
    second_order: tuple[Tensor, Tensor, Tensor],
    models: list[TrainedModel],
    most: int,
) -> pd.DataFrame:
    """Returns the share of test items in lists of the same lengths, over all users with test items.

    Each list has as many items per user as the list of second-order items. The share of random
    items is the expectation.

    Args:
        data (HeteroData): The data.
        second_order (tuple): The result of :func:`unseen_second_order`.
        models (list[TrainedModel]): The model of each seed.
        most (int): The maximum number of items per list.
    """
    num_users, num_items = data[USER].num_nodes, data[ITEM].num_nodes
    test, train = held_out(data, "test"), data[INTERACTS].edge_index
    users, num_test = torch.unique(test[0], return_counts=True)
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
        SECOND_ORDER: [float(is_among(*second_order[:2], test, data).sum())],
        OURS: [hits(*embeddings) for embeddings in rankings],
    }
    total = int(length.sum())
    rows = []
    for name, values in found.items():
        share, std = over_seeds([value / total if total else np.nan for value in values])
        row = {"list": name, "users": int((length > 0).sum()), "items": total}
        rows.append(row | {"test items": float(np.mean(values)), "share": share, "share std": std})
    return pd.DataFrame(rows)


def report(shares: pd.DataFrame, subject: str) -> Report:
    """Returns the shares as a table."""
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
    return Report("Test items among unseen items", columns, rows, [subject])
