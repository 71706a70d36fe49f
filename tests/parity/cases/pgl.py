import numpy as np
import torch
from torch_geometric.data import HeteroData

from parity_case import TRAINED_FEATURES, Case, linear
from soil_pyg.models import PGL
from soil_pyg.models.pruned_interactions import prune_interactions
from soil_pyg.typing import INTERACTS, ITEM, USER


def feed(data: HeteroData, golden: dict[str, np.ndarray]) -> None:
    """Keeps the interactions that the published implementation drew."""
    num_users, num_items = data[USER].num_nodes, data[ITEM].num_nodes
    row, col = (torch.from_numpy(golden[f"graph/sub_graph/{end}"]) for end in ("row", "col"))
    drawn = (row * num_items + col - num_users)[row < num_users]
    user, item = data[INTERACTS].edge_index
    kept = torch.isin(user * num_items + item, drawn).nonzero().view(-1)
    assert len(kept) == len(drawn)
    prune_interactions(data, kept)


CASE = Case(
    PGL,
    {
        "hidden_channels": "embedding_size",
        "num_layers": "n_ui_layers",
        "num_item_layers": "n_mm_layers",
        "mode": "mode",
        "keep": "keep",
        "dropout": "dropout",
        "reg": "reg_weight",
    },
    TRAINED_FEATURES
    | linear({"projections.image": "image_trs", "projections.text": "text_trs"})
    | {"users.image.weight": "user_image.weight", "users.text.weight": "user_text.weight"},
    {"k": "knn_k", "first_weight": "mm_image_weight", "mode": "mode", "rank": "embedding_size"},
    feed=feed,
)
