import os
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.frames import TableSource, find_ids, read_ids, read_table
from soil_pyg.models import SOIL, LightGCN
from soil_pyg.models.decompose import messages
from soil_pyg.models.graphs import adjacency
from soil_pyg.models.soil_graphs import USER_ITEM
from soil_pyg.models.soil_newcomers import embed_new_users, extend_users, rows_of_new
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS
from soil_pyg.workflow.run_data import graph_options, load_run_data, with_graph


def add_users(
    trained: TrainedModel,
    data: HeteroData | str | os.PathLike[str] | None,
    interactions: TableSource,
    user_column: str = "user",
    item_column: str = "item",
) -> TrainedModel:
    r"""Adds users with a few interactions, without training.

    **SOIL and LightGCN.** The new users are put into the graphs, with the weights that the
    normalisation then gives their edges; they receive and do not send, so nothing changes for
    anyone else. Their own embedding, of which nothing is known, is zero:

    .. math::
        \mathbf{e}_v = \sum_j A_{vj} \, \frac{1}{L + 1} \sum_{l=0}^{L-1} (\mathbf{A}^l
        \mathbf{X})_j, \qquad \mathbf{v}_{m,v} = \sum_j B_{vj} \, \mathbf{v}_{m,j}

    with :math:`\mathbf{A}` the graph of the content embeddings and :math:`\mathbf{B}` that of the
    aggregation. In SOIL both have second-order items of the new users, found among all known items,
    and the model's own attention fuses the views. Users that are added together share the degrees
    of the items.

    **Every other model** whose score is a product of dense embeddings of users and items in one
    space, such as BPR, VBPR, MGCN or FREEDOM: the embedding is the mean of those of the user's
    items.

    Args:
        trained (TrainedModel): What :func:`soil_pyg.load` returns.
        data (HeteroData, str or os.PathLike, optional): The data, with or without its graphs, or
            its folder; :obj:`None` for the folder that the run was trained on.
        interactions (pandas.DataFrame, str or os.PathLike): The interactions of the new users, one
            a row; a pair that is given again counts once.
        user_column (str, optional): Column of the user ids. (default: :obj:`"user"`)
        item_column (str, optional): Column of the item ids. (default: :obj:`"item"`)

    Returns:
        The trained model with the new users at the end of :obj:`user_emb` and :obj:`user_id`. Their
        interactions are its :obj:`later_interactions`. Its :obj:`model` still knows the users of
        the training only.

    Raises:
        FileNotFoundError: If a file or folder does not exist.
        ValueError: If a user is known, an item unknown, or the embeddings are sparse.
    """
    name = trained.model.__class__.__name__
    if trained.item_emb.is_sparse:
        raise ValueError(f"{name} has no place for users: its embeddings are sparse")
    known = load_run_data(trained, data)
    new_id, edge_index = _read_interactions(trained, interactions, user_column, item_column)
    num_new = len(new_id)
    if isinstance(trained.model, SOIL | LightGCN):
        later = edge_index[1] >= trained.model.num_items
        if later.any():
            item = trained.item_id[edge_index[1, later][0]]
            raise ValueError(f"The item '{item}' came later, and no graph of {name} has it")
        emb = _fold_in(trained, known, edge_index, num_new)
    else:
        size = len(trained.item_id), num_new
        items = Adjacency.from_edge_index(edge_index.flip([0]), size=size)
        count = items.rowptr.diff().unsqueeze(1)
        emb = (items @ trained.item_emb) / count
    pairs = torch.stack([edge_index[0] + len(trained.user_id), edge_index[1]])
    if trained.later_interactions is not None:
        pairs = torch.cat([trained.later_interactions, pairs], dim=1)
    return replace(
        trained,
        user_emb=torch.cat([trained.user_emb, emb.to(trained.user_emb)]),
        user_id=np.concatenate([trained.user_id, new_id]),
        later_interactions=pairs,
    )


@torch.no_grad()
def _fold_in(trained: TrainedModel, data: HeteroData, edge_index: Tensor, num_new: int) -> Tensor:
    model = trained.model
    data = with_graph(trained, data, USER_ITEM if isinstance(model, SOIL) else INTERACTS)
    if isinstance(model, SOIL):
        return embed_new_users(model, data, graph_options(trained), edge_index, num_new)
    assert isinstance(model, LightGCN)
    x = model.user_embedding.weight, model.item_embedding.weight
    sent = messages(model.propagation, x, adjacency(data, INTERACTS))
    extended = model.graph_transform()(extend_users(data, edge_index, num_new))
    return rows_of_new(extended, INTERACTS, num_new) @ sent


def _read_interactions(
    trained: TrainedModel, source: TableSource, user_column: str, item_column: str
) -> tuple[np.ndarray, Tensor]:
    # The ids of the new users, sorted, and their distinct pairs with the positions of items.
    table = read_table(source, "interactions", [user_column, item_column], [])
    if len(table.frame) == 0:
        raise ValueError("'interactions' has no rows")
    user, item = (
        read_ids(table.frame[column], table.where, table.is_text)
        for column in (user_column, item_column)
    )
    is_known = find_ids(user.values, trained.user_id) >= 0
    table.refuse(
        is_known[user.position],
        "the run has this user already: train again from its weights to use new interactions",
    )
    place = find_ids(item.values, trained.item_id)[item.position]
    table.refuse(place < 0, "the run has no such item")
    pairs = np.unique(np.stack([user.position, place]), axis=1)
    return user.values, torch.from_numpy(pairs)
