import os
from typing import Any

from torch_geometric.data import HeteroData

from soil_pyg.checkpoint import load
from soil_pyg.explainer import Explainer
from soil_pyg.explanation import Explanation
from soil_pyg.trained_model import TrainedModel


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

    To explain many scores of one run, make an :class:`~soil_pyg.explainer.Explainer` once.

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
