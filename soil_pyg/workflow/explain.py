import os
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models.decompose import ScoreParts, graphs_of
from soil_pyg.models.explanation import Explanation
from soil_pyg.runs.checkpoint import load
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.ids import find_positions
from soil_pyg.workflow.run_data import load_run_data, with_graph


def explain(
    trained: TrainedModel | str | os.PathLike[str],
    user: Any,
    item: Any,
    data: HeteroData | str | os.PathLike[str] | None = None,
) -> Explanation:
    r"""Tells which interactions, which second-order items and which modality carry a score, as
    numbers that add up to it.

    All propagation is linear, so the embedding of a user is a sum over the edges that leave the
    user. With :math:`\mathbf{X}` the trained embeddings, :math:`\mathbf{A}` the graph of the
    content embeddings, :math:`L` its layers and :math:`\mathbf{B}` the graph over which users
    gather the views :math:`\mathbf{V}_m` of items:

    .. math::
        \mathbf{f}_u = \underbrace{\frac{\mathbf{x}_u}{L + 1}}_{\text{own}} + \sum_j A_{uj}
        \underbrace{\frac{1}{L + 1} \sum_{l=0}^{L-1} (\mathbf{A}^l \mathbf{X})_j}_{\text{content}}
        + \sum_m \mathbf{w}_{m,u} \odot \sum_j B_{uj} \mathbf{v}_{m,j}

    A path of several edges thus belongs to the item over which it leaves the user. The shares
    :math:`\mathbf{w}_{m,u}` of the views are held as they were computed: in SOIL
    :math:`1 - \alpha_{m,u}`, divided by :math:`M + 1` if :obj:`divide_fusion`; in MGCN
    :math:`(\alpha_{m,u} (1 - \sum_n \mathbf{g}_{n,u}) + \mathbf{g}_{m,u}) / (M + 1)` with the
    preferences :math:`\mathbf{g}_{m,u} = \sigma(\mathbf{W}_m \mathbf{e}_u + \mathbf{b}_m)`. The
    same shares split the embedding of the item into its content and its views,

    .. math::
        \mathbf{f}_i = \mathbf{e}_i + \sum_m \mathbf{w}_{m,i} \odot \mathbf{v}_{m,i}, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i,

    and every product of a summand of :math:`\mathbf{f}_u` and one of :math:`\mathbf{f}_i` is a part
    of the score. An edge of :math:`\mathbf{A}` or :math:`\mathbf{B}` is an interaction or a
    second-order item; where the released profile has both for one item, each has its own share of
    the weight. LightGCN has no views, BPR no edges either. Parts are computed in double precision;
    the score is that of the evaluator, in single precision.

    To explain many scores of one run, make an :class:`~soil_pyg.workflow.explain.Explainer` once.

    Args:
        trained (TrainedModel, str or os.PathLike): What :func:`soil_pyg.load` returns, or its
            folder.
        user (Any): The id of the user.
        item (Any): The id of the item.
        data (HeteroData, str or os.PathLike, optional): The data, with or without its graphs, or
            its folder. (default: the folder that the run was trained on)

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an id is unknown, the data is not that of the run, the model is another, or
            the parts do not add up to the score.
    """
    if not isinstance(trained, TrainedModel):
        trained = load(trained)
    return Explainer(trained, data).explain(user, item)


TOLERANCE = 1e-5
"""The parts may miss the score by this, times the norms of both embeddings where they are large."""


class Explainer:
    """Takes scores of one run apart, as :func:`soil_pyg.explain` defines it. The graphs are made
    once.

    Args:
        trained (TrainedModel): The trained model.
        data (HeteroData, str or os.PathLike, optional): The data, with or without its graphs, or
            its folder. (default: the folder that the run was trained on)

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the model's score cannot be taken apart, or the data is not that of the run.
    """

    def __init__(
        self, trained: TrainedModel, data: HeteroData | str | os.PathLike[str] | None = None
    ) -> None:
        graph = graphs_of(trained.model).content
        found = load_run_data(trained, data)
        self.trained = trained
        self.data = found if graph is None else with_graph(trained, found, graph)
        self._parts = ScoreParts(trained.model, self.data)

    def explain(self, user: Any, item: Any) -> Explanation:
        """Takes the score of a user and an item apart.

        Args:
            user (Any): The id of the user.
            item (Any): The id of the item.

        Raises:
            ValueError: If one is unknown or came after the training, or if the parts do not add
                up to the score.
        """
        trained = self.trained
        u = _position(user, trained.user_id, "user", trained.model.num_users)
        i = _position(item, trained.item_id, "item", trained.model.num_items)
        user_emb, item_emb = trained.user_emb[u], trained.item_emb[i]
        found = Explanation(
            user=trained.user_id[u].item(),
            item=trained.item_id[i].item(),
            score=float(user_emb @ item_emb),
            parts=self._table(u, i),
        )
        scale = max(1.0, float(user_emb.norm() * item_emb.norm()))
        if not abs(found.total - found.score) <= TOLERANCE * scale:
            raise ValueError(
                f"The parts of the score of user '{user}' and item '{item}' add up to "
                f"{found.total:.6g}, but the score of the run is {found.score:.6g}: it was made "
                "in lower precision or with other graphs; train again with precision='32-true'"
            )
        return found

    def _table(self, user: int, item: int) -> pd.DataFrame:
        # One row for each summand of the user's embedding and each of the item's.
        item_parts = self._parts.of_item(item)
        vectors = torch.stack(list(item_parts.values()))
        frames = []
        for kind, modality, via, vector in self._parts.of_user(user):
            ids = self.trained.item_id[via.numpy()].astype(object)
            ids[via.numpy() < 0] = None
            columns = {
                "kind": kind,
                "modality": modality,
                "item_modality": np.tile(list(item_parts), len(via)),
                "via": pd.Series(ids.repeat(len(item_parts)), dtype=object),
                "value": (vector @ vectors.t()).flatten().numpy(),
            }
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)


def _position(node: Any, known: np.ndarray, kind: str, trained_on: int) -> int:
    place = int(find_positions([node], known, kind, kind)[0])
    if place >= trained_on:
        raise ValueError(
            f"'{kind}': the {kind} '{node}' came after the training, and no graph has it: train "
            "again to explain its scores"
        )
    return place
