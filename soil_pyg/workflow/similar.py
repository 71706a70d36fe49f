"""The items most similar to an item, and the users most similar to a user."""

import os
from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.tables import Ranking
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.utils.checks import check_integer, check_string
from soil_pyg.workflow.ids import ALL, IdSource, select
from soil_pyg.workflow.options import select_features
from soil_pyg.workflow.run_data import data_source, load_run_data, open_run

BLOCK_ROWS = 2**16
"""The rows that are held in double precision at a time."""

TINY = torch.finfo(torch.float64).tiny
"""The divisor of rows of zeros."""


def similar(
    trained: TrainedModel | str | os.PathLike[str],
    items: IdSource | None = None,
    users: IdSource | None = None,
    k: int = 10,
    by: str | None = None,
    data: HeteroData | str | os.PathLike[str] | None = None,
    memory_budget: int = 2**30,
) -> pd.DataFrame:
    r"""Finds the :obj:`k` items most similar to each given item, or users to each given user:

    .. math::
        \cos(\mathbf{e}_i, \mathbf{e}_j) = \frac{\mathbf{e}_i^{\top} \mathbf{e}_j}
        {\lVert \mathbf{e}_i \rVert \lVert \mathbf{e}_j \rVert}

    where :math:`\mathbf{e}` are the final embeddings, or the features of one modality. The table
    has the columns :obj:`item` (or :obj:`user`), :obj:`rank` (from 1), :obj:`similar` and
    :obj:`score`. Ties are broken by the position in the data. An item is not similar to itself,
    and rows of zeros, such as missing features, are not similar to anything.

    Args:
        trained (TrainedModel, str or os.PathLike): The trained model, as returned by
            :func:`soil_pyg.load`, or its folder.
        items (iterable, os.PathLike or str, optional): The ids of the items, or a
            :obj:`~pathlib.Path` to a text file with one id per line or to a table with the column
            of items of the data, or :obj:`"all"`. (default: :obj:`None`)
        users (iterable, os.PathLike or str, optional): The ids of the users, likewise. Exactly one
            of :obj:`items` and :obj:`users` must be given. (default: :obj:`None`)
        k (int): The number of similar items or users. (default: :obj:`10`)
        by (str, optional): The modality whose features are compared instead of the embeddings.
            (default: :obj:`None`)
        data (HeteroData, str or os.PathLike, optional): The data or its folder, for :obj:`by`.
            (default: the folder that the run was trained on)
        memory_budget (int): The maximum number of bytes per block. (default: :obj:`2**30`)

    Raises:
        FileNotFoundError: If a folder or a file does not exist.
        ValueError: If an id or the modality is unknown, a given item has no features of it, an
            argument is out of range, or the data is not that of the run.
        FloatingPointError: If a score is not finite.
    """
    frames = similar_blocks(trained, items, users, k, by, data, memory_budget)
    return pd.concat(frames, ignore_index=True)


def similar_blocks(
    trained: TrainedModel | str | os.PathLike[str],
    items: IdSource | None = None,
    users: IdSource | None = None,
    k: int = 10,
    by: str | None = None,
    data: HeteroData | str | os.PathLike[str] | None = None,
    memory_budget: int = 2**30,
) -> Iterator[pd.DataFrame]:
    """Returns an iterator over the rows of :func:`similar` in blocks of bounded size.

    Takes the arguments of :func:`similar`, and raises the same errors before the first block.
    """
    check_integer("k", k, 1)
    check_integer("memory_budget", memory_budget, 1)
    if by is not None:
        check_string("by", by)
    trained = open_run(trained)
    if (items is None) == (users is None):
        raise ValueError("Either 'items' or 'users' must be given")
    if by is not None and items is None:
        raise ValueError(f"'by' must be None for 'users' (got '{by}')")
    origin = data_source(trained, data)
    if items is not None:
        kind, known, emb = "item", trained.item_id, trained.item_emb
        queries = select(items, known, "items", kind, origin)
    else:
        assert users is not None
        kind, known, emb = "user", trained.user_id, trained.user_emb
        queries = select(users, known, "users", kind, origin)
    if by is not None:
        emb = select_features(load_run_data(trained, data), [by], "by")[by]
        if len(emb) < len(known):
            raise ValueError(f"'by' must be None for a run with new items (got '{by}')")
    emb, norm = unit_rows(emb)
    lacking = queries[norm[queries] == 0]
    if by is not None and len(lacking) > 0 and not (isinstance(items, str) and items == ALL):
        raise ValueError(f"'items': item '{known[lacking[0]]}' has no features of '{by}'")
    ranking = Ranking(
        query_emb=emb,
        item_emb=emb,
        queries=queries[norm[queries] > 0],
        mask_index=torch.arange(len(known)).expand(2, -1),
        query_id=known,
        item_id=known,
        columns=(kind, "similar"),
    )
    if bool((norm == 0).any()):
        ranking = ranking.restricted_to((norm > 0).nonzero().view(-1))
    # A cosine of rounded unit rows may exceed 1.
    return (
        frame.assign(score=frame["score"].clip(-1, 1)) for frame in ranking.frames(k, memory_budget)
    )


def unit_rows(emb: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a dense or sparse matrix with its rows scaled to unit norm, except rows of zeros, and
    the norms.

    They are divided in double precision: multiples of a row then round to the same unit row, so
    that they tie.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        (tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]]), tensor([5., 0.], dtype=torch.float64))
    """
    if not emb.is_sparse:
        unit = torch.empty(emb.size(), device=emb.device)
        norm = torch.empty(len(emb), dtype=torch.float64, device=emb.device)
        for rows, unit_block, norm_block in zip(
            *(torch.split(x, BLOCK_ROWS) for x in (emb.detach(), unit, norm)), strict=True
        ):
            values = rows.double()
            norm_block.copy_(torch.linalg.vector_norm(values, dim=1))
            unit_block.copy_(values / norm_block.clamp(min=TINY).unsqueeze(1))
        return unit, norm
    emb = emb.coalesce()
    row, value = emb.indices()[0], emb.values().double()
    norm = value.new_zeros(emb.size(0)).index_add_(0, row, value * value).sqrt()
    unit = (value / norm[row].clamp(min=TINY)).float()
    matrix = torch.sparse_coo_tensor(
        emb.indices(), unit, emb.size(), is_coalesced=True, check_invariants=False
    )
    return matrix, norm
