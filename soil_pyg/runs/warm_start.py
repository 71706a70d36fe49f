import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.datasets.ids import find_ids
from soil_pyg.models.base import Recommender
from soil_pyg.runs.checkpoint import original_ids
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.runs.trained_pairs import count_trained_pairs
from soil_pyg.typing import ITEM, USER


@torch.no_grad()
def warm_start(model: Recommender, data: HeteroData, trained: TrainedModel) -> dict[str, int]:
    """Initialises a model with the weights of an earlier run, for data that has changed since.

    The rows of users and items that the run knows are copied by their ids; parameters without a
    row per user or item are copied whole. New users and items, and the parameters of new
    modalities, keep their initial values. The state of the optimizer is not carried over.

    Returns the numbers of users and items of the new data that the run knows, by :obj:`"user"` and
    :obj:`"item"`. Raises :class:`ValueError`, before any change, if the run is of another model, a
    parameter has another size, or the run was trained on held-out pairs of the data, which
    :func:`~soil_pyg.runs.trained_pairs.without_trained_pairs` leaves out.
    """
    if type(model) is not type(trained.model):
        raise ValueError(
            f"'init' (--init) must be a run of {type(model).__name__} "
            f"(got {type(trained.model).__name__})"
        )
    leaked = count_trained_pairs(data, trained)
    if sum(leaked.values()) > 0:
        counts = " and ".join(f"{number:,} {split} pairs" for split, number in leaked.items())
        raise ValueError(
            f"'data' holds out {counts} that the earlier run was trained on: leave them out by "
            "'without_trained_pairs'"
        )
    rows = {}
    for node_type, known in {USER: trained.user_id, ITEM: trained.item_id}.items():
        # Users and items that were added later have an id, but no row in the parameters.
        known = known[: getattr(trained.model, f"num_{node_type}s")]
        place = find_ids(original_ids(data, node_type), known)
        found = np.flatnonzero(place >= 0)
        rows[node_type] = torch.from_numpy(found), torch.from_numpy(place[found])
    old = dict(trained.model.named_parameters())
    shared = {name: parameter for name, parameter in model.named_parameters() if name in old}
    of_nodes = model.node_parameters()
    for name, parameter in shared.items():
        start = 1 if name in of_nodes else 0
        if parameter.size()[start:] != old[name].size()[start:]:
            raise ValueError(
                f"'init' (--init) must be a run with the same sizes (got '{name}' of size "
                f"{list(old[name].size())} for {list(parameter.size())}): use the same options, "
                "and features of the same dimensions"
            )
    for name, parameter in shared.items():
        source = old[name].to(parameter)
        if name in of_nodes:
            new_row, old_row = rows[of_nodes[name]]
            parameter[new_row] = source[old_row]
        else:
            parameter.copy_(source)
    return {node_type: len(found) for node_type, (found, _) in rows.items()}
