"""The effect of each purchase of a user on a score: what changes if the purchase is removed."""

import copy
import os
from typing import Any

import pandas as pd
import torch
from torch_geometric.data import HeteroData

from soil_pyg.ranking.evaluator import compute_embeddings
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.progress import blocks
from soil_pyg.workflow.explain import trained_position
from soil_pyg.workflow.run_data import load_run_data, open_run, run_transform


def removal_effects(
    trained: TrainedModel | str | os.PathLike[str],
    user: Any,
    item: Any,
    data: HeteroData | str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    r"""Returns by how much each training interaction of a user raises a score, with the trained
    weights as they are:

    .. math::
        \Delta_j = \hat{y}_{ui}(\mathcal{E}) - \hat{y}_{ui}(\mathcal{E} \setminus \{(u, j)\})

    The graphs are built again without each interaction, so this takes as many propagations as the
    user has interactions, and works for any model. Unlike the parts of :func:`soil_pyg.explain`,
    the effects do not add up to the score: an interaction also sets the weights of the others.

    Args:
        trained (TrainedModel, str or os.PathLike): The trained model, of :func:`soil_pyg.load`, or
            its folder.
        user (Any): The id of the user.
        item (Any): The id of the recommended item.
        data (HeteroData, str or os.PathLike, optional): The data without its graphs, or its folder.
            (default: the folder that the run was trained on)

    Returns:
        A table with the columns :obj:`via`, the id of the item of the interaction, and
        :obj:`value`, its effect, in descending order.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an id is unknown or came after the training, or the data is not that of the
            run.
    """
    trained = open_run(trained)
    known = load_run_data(trained, data)
    u = trained_position(user, trained.user_id, "user", trained.model.num_users)
    i = trained_position(item, trained.item_id, "item", trained.model.num_items)
    edge_index = known[INTERACTS].edge_index
    edges = (edge_index[0] == u).nonzero().view(-1)
    score = _score(trained, known, u, i)
    effects = []
    for block in blocks(len(edges), 1, "removing purchases"):
        rest = copy.copy(known)
        kept = torch.arange(edge_index.size(1)) != edges[block]
        rest[INTERACTS].edge_index = edge_index[:, kept]
        effects.append(score - _score(trained, rest, u, i))
    via = trained.item_id[edge_index[1, edges].numpy()]
    frame = pd.DataFrame({"via": pd.Series(via, dtype=object), "value": effects})
    return frame.sort_values("value", ascending=False, kind="stable", ignore_index=True)


def _score(trained: TrainedModel, data: HeteroData, user: int, item: int) -> float:
    model = trained.model
    user_emb, item_emb = compute_embeddings(model, run_transform(trained)(copy.copy(data)))
    pairs = (user_emb, user), (item_emb, item)
    left, right = (
        emb.detach().index_select(0, torch.tensor([row])).to_dense().double() for emb, row in pairs
    )
    return float((left * right).sum())
