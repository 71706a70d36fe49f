import os
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.frames import TableSource, read_table
from soil_pyg.datasets.ids import find_ids, join_ids
from soil_pyg.models.new_user_rows import LaterItemError
from soil_pyg.models.newcomers import NewUserEmbedder
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.checks import check_string
from soil_pyg.workflow.columns import id_columns
from soil_pyg.workflow.run_data import data_source, load_run_data, open_run, run_transform


def add_users(
    trained: TrainedModel | str | os.PathLike[str],
    data: HeteroData | str | os.PathLike[str] | None,
    interactions: TableSource,
    user_column: str | None = None,
    item_column: str | None = None,
) -> TrainedModel:
    """Adds users with a few interactions, without training.

    The model embeds them by :meth:`~soil_pyg.models.Recommender.new_user_embedder`: SOIL, LightGCN
    and others fold them into their graphs; the default is the mean of the embeddings of their
    items.
    Nothing changes for known users and items. Users that are added together share the degrees of
    the items in the graphs, and count among the similar users of DualGNN and DRAGON: add users one
    by one where they must not depend on each other.

    Args:
        trained (TrainedModel, str or os.PathLike): The trained model, of :func:`soil_pyg.load`, or
            its folder.
        data (HeteroData, str or os.PathLike, optional): The data, with or without its graphs, or
            its folder; :obj:`None` for the folder that the run was trained on.
        interactions (pandas.DataFrame, str or os.PathLike): The interactions of the new users, one
            per row; repeated pairs count once.
        user_column (str, optional): Column of the user ids.
            (default: that of the prepared data, or :obj:`"user"`)
        item_column (str, optional): Column of the item ids.
            (default: that of the prepared data, or :obj:`"item"`)

    Returns:
        The trained model with the new users at the end of :obj:`user_emb` and :obj:`user_id`, and
        their interactions in :obj:`later_interactions`. Its :obj:`model` still has only the users
        of the training.

    Raises:
        FileNotFoundError: If a file or folder does not exist.
        ValueError: If a user is known or an item unknown, or if the model cannot embed new users.
    """
    for name, column in {"user_column": user_column, "item_column": item_column}.items():
        if column is not None:
            check_string(name, column)
    trained = open_run(trained)
    known = load_run_data(trained, data)
    columns = id_columns(data_source(trained, data))
    user_column, item_column = user_column or columns[USER], item_column or columns[ITEM]
    new_id, edge_index = _read_interactions(trained, interactions, user_column, item_column)
    emb = user_embedder(trained, known)(edge_index, len(new_id))
    pairs = torch.stack([edge_index[0] + len(trained.user_id), edge_index[1]])
    if trained.later_interactions is not None:
        pairs = torch.cat([trained.later_interactions, pairs], dim=1)
    return replace(
        trained,
        user_emb=torch.cat([trained.user_emb, emb.to(trained.user_emb)]),
        user_id=join_ids(trained.user_id, new_id),
        later_interactions=pairs,
    )


@torch.no_grad()
def user_embedder(trained: TrainedModel, data: HeteroData) -> NewUserEmbedder:
    """Returns the function that embeds new users of a run, given the data of the run, with or
    without its graphs. It raises :class:`ValueError` if the graphs lack an item.

    Raises :class:`ValueError` if the model cannot embed new users.
    """
    make_transform = partial(run_transform, trained)
    embed = trained.model.new_user_embedder(data, make_transform, trained.item_emb)

    @torch.no_grad()
    def checked(edge_index: Tensor, num_new_users: int) -> Tensor:
        try:
            return embed(edge_index, num_new_users)
        except LaterItemError as error:
            raise ValueError(
                f"the item '{trained.item_id[error.item]}' came after the training, and the graphs "
                f"of {trained.model.__class__.__name__} lack it: train again"
            ) from None

    return checked


def _read_interactions(
    trained: TrainedModel, source: TableSource, user_column: str, item_column: str
) -> tuple[np.ndarray, Tensor]:
    # The sorted ids of the new users, and their distinct pairs with positions of items.
    table = read_table(source, "interactions", [user_column, item_column], [])
    if len(table.frame) == 0:
        raise ValueError("'interactions' must have at least one row (got none)")
    user, item = table.ids(user_column), table.ids(item_column)
    is_known = find_ids(user.values, trained.user_id) >= 0
    table.refuse(
        is_known[user.position],
        "the run has this user already: to use new interactions, train again from its weights",
    )
    place = find_ids(item.values, trained.item_id)[item.position]
    unknown = item.values[item.position[np.argmax(place < 0)]]
    table.refuse(place < 0, f"the run has no item '{unknown}': drop the row")
    pairs = np.unique(np.stack([user.position, place]), axis=1)
    return user.values, torch.from_numpy(pairs)
