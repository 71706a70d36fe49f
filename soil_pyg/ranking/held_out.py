import logging

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.typing import HELD_OUT_SPLITS, INTERACTS, ITEM, TRAINED_EARLIER
from soil_pyg.utils.checks import check_choice
from soil_pyg.utils.data_checks import check_edges, count_nodes, digest_edges
from soil_pyg.utils.hetero import has_edges
from soil_pyg.utils.remember import remember

logger = logging.getLogger("soil_pyg")


def held_out(data: HeteroData, split: str) -> Tensor:
    """Returns the interactions of a held-out split, each once. Those that the train split has are
    left out with a warning, as they are not ranked.

    Raises:
        ValueError: If the split is unknown, names a user or an item that the data lacks, or holds
            no interaction that the train split lacks.
    """
    check_choice("split", split, HELD_OUT_SPLITS)
    attr = f"{split}_edge_label_index"
    if not has_edges(data, INTERACTS, attr):
        raise ValueError(
            f"'data' must hold interactions of the split '{split}' as '{attr}' of {INTERACTS} (got "
            "none)"
        )
    pairs = check_edges(data, INTERACTS, attr)
    if pairs.size(1) == 0:
        raise ValueError(f"'data' must hold interactions of the split '{split}' (got none)")
    # Every epoch is evaluated, with the same pairs.
    key = "held out", split, count_nodes(data, ITEM), digest_edges(data)
    others = remember(data[INTERACTS][attr], key, lambda: _held_out(data, pairs, split))
    return pairs if others is None else others


def known_pairs(data: HeteroData, size: tuple[int, int] | None = None) -> Tensor:
    """Returns the pairs that are not ranked."""
    pairs = check_edges(data, size=size)
    if TRAINED_EARLIER not in data[INTERACTS]:
        return pairs
    return torch.cat([pairs, check_edges(data, INTERACTS, TRAINED_EARLIER, size=size)], dim=1)


def _held_out(data: HeteroData, pairs: Tensor, split: str) -> Tensor | None:
    """Returns the pairs to rank, or :obj:`None` if they are those given."""
    num_items = count_nodes(data, ITEM)
    key = pairs[0] * num_items + pairs[1]
    distinct = torch.unique(key)
    user, item = check_edges(data)
    is_trained = torch.isin(distinct, user * num_items + item)
    count = int(is_trained.sum())
    if count == len(distinct):
        raise ValueError(
            f"'data' must hold interactions of the split '{split}' that are not in the train split "
            f"(got {count}, all of which are)"
        )
    if count > 0:
        text = "Left out %d of %d interactions of the split '%s', which the train split has"
        logger.warning(text, count, len(distinct), split)
        distinct = distinct[~is_trained]
    if len(distinct) < len(key):
        return torch.stack([distinct // num_items, distinct % num_items])
    return None
