import os
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models.explanation import Explanation
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.ids import find_positions, plain_id
from soil_pyg.workflow.run_data import load_run_data, open_run, run_transform

TOLERANCE = 1e-5
"""The accepted difference between the score and the sum of its parts, times the norms of both
embeddings if these are large.
"""


def explain(
    trained: TrainedModel | str | os.PathLike[str],
    user: Any,
    item: Any,
    data: HeteroData | str | os.PathLike[str] | None = None,
) -> Explanation:
    r"""Returns the contributions of interactions, second-order items and modalities to a score, as
    numbers that add up to it.

    All propagation is linear, so the embedding of a user is a sum over the edges that leave the
    user. With :math:`\mathbf{X}` the trained embeddings, :math:`\mathbf{A}` the graph of the
    content embeddings, :math:`L` its layers and :math:`\mathbf{B}` the graph over which users
    gather the views :math:`\mathbf{V}_m` of items:

    .. math::
        \mathbf{f}_u = \underbrace{\frac{\mathbf{x}_u}{L + 1}}_{\text{own}} + \sum_j A_{uj}
        \underbrace{\frac{1}{L + 1} \sum_{l=0}^{L-1} (\mathbf{A}^l \mathbf{X})_j}_{\text{content}}
        + \sum_m \mathbf{w}_{m,u} \odot \sum_j B_{uj} \mathbf{v}_{m,j}, \qquad
        \mathbf{f}_i = \mathbf{e}_i + \sum_m \mathbf{w}_{m,i} \odot \mathbf{v}_{m,i}

    A path of several edges belongs to the item of its first edge. The shares :math:`\mathbf{w}_m`
    are treated as constants: :math:`1 - \alpha_m` in SOIL, divided by :math:`M + 1` if
    :obj:`divide_fusion`, and those of :meth:`soil_pyg.models.MGCN.shares` in MGCN. Every product of
    a summand of :math:`\mathbf{f}_u` and one of :math:`\mathbf{f}_i` is a part of the score
    :math:`\hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i`. An edge is an interaction or a
    second-order item; if it is both, as in the released profile, each has its share of the weight.
    LightGCN has no views, and BPR no edges. Other models take part by
    :meth:`~soil_pyg.models.Recommender.decompose`. Parts are computed in double precision; the
    score is that of the evaluator, in single precision.

    This is an exact decomposition of the score and not the effect of removing an interaction, which
    would also change the weights of the others:
    :func:`~soil_pyg.workflow.removal.removal_effects` computes that. The parts are often larger
    than the effects, and some have the other sign.

    To explain many scores of one run, use one :class:`~soil_pyg.workflow.explain.Explainer`.

    Args:
        trained (TrainedModel, str or os.PathLike): The trained model, of :func:`soil_pyg.load`, or
            its folder.
        user (Any): The id of the user.
        item (Any): The id of the item.
        data (HeteroData, str or os.PathLike, optional): The data, with or without its graphs, or
            its folder. (default: the folder that the run was trained on)

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an id is unknown, the data is not that of the run, the model does not define
            :meth:`~soil_pyg.models.Recommender.decompose`, or the parts do not add up to the score.
    """
    return Explainer(open_run(trained), data).explain(user, item)


class Explainer:
    """Explains scores of one run as :func:`soil_pyg.explain` does, with its graphs built once, and
    raises the same errors. The data may have its graphs already.
    """

    def __init__(
        self, trained: TrainedModel, data: HeteroData | str | os.PathLike[str] | None = None
    ) -> None:
        self.trained = trained
        known = load_run_data(trained, data)
        self._parts = trained.model.decompose(known, partial(run_transform, trained))

    def explain(self, user: Any, item: Any) -> Explanation:
        """Returns the parts of the score of a user and an item, given by their ids.

        Raises :class:`ValueError` if an id is unknown or came after the training, or if the parts
        do not add up to the score.
        """
        trained = self.trained
        u = trained_position(user, trained.user_id, "user", trained.model.num_users)
        i = trained_position(item, trained.item_id, "item", trained.model.num_items)
        user_emb, item_emb = trained.user_emb[u], trained.item_emb[i]
        found = Explanation(
            user=plain_id(trained.user_id, u),
            item=plain_id(trained.item_id, i),
            score=float(user_emb @ item_emb),
            parts=self._table(u, i),
        )
        scale = max(1.0, float(user_emb.norm() * item_emb.norm()))
        if not abs(found.total - found.score) <= TOLERANCE * scale:
            raise ValueError(
                f"the parts of the score of user '{user}' and item '{item}' must add up to "
                f"{found.score:.6g} (got {found.total:.6g}): the run used lower precision or other "
                "graphs; train again with precision='32-true'"
            )
        return found

    def _table(self, user: int, item: int) -> pd.DataFrame:
        # One row per pair of a summand of the user and a summand of the item.
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


def trained_position(node: Any, known: np.ndarray, kind: str, trained_on: int) -> int:
    """Returns the position of an id. Raises :class:`ValueError` if it is unknown or came after the
    training.
    """
    place = int(find_positions([node], known, kind, kind)[0])
    if place >= trained_on:
        raise ValueError(
            f"'{kind}': the {kind} '{node}' came after the training: train again to explain its "
            "scores"
        )
    return place
