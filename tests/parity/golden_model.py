"""Models and data from golden files, and comparisons with their values."""

import json
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from parity_cases import CASES
from soil_pyg.models.base import Recommender
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, USER, Triplets

Golden = dict[str, np.ndarray]
TOLERANCE = 1e-5
FEATURES = "_embedding.weight"
OFFSET = ".offset.weight"


def make(name: str, load: Callable[[str], Golden]) -> tuple[Recommender, HeteroData]:
    """Returns the model with its published parameters, and the data with its graphs."""
    golden, case = load(name), CASES[name]
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = golden["scores"].shape
    data[INTERACTS].edge_index = torch.from_numpy(golden["train_edge_index"])
    source = load(case.features or name)
    in_channels = {}
    for modality in case.modalities:
        if f"param/{modality}{FEATURES}" in source:
            x = torch.from_numpy(source[f"param/{modality}{FEATURES}"])
            data[ITEM][FEATURE_PREFIX + modality] = x
            in_channels[modality] = x.size(1)
    sizes = {
        "num_users": data[USER].num_nodes,
        "num_items": data[ITEM].num_nodes,
        "in_channels": in_channels,
    }
    published = json.loads(str(golden["hyperparameters"]))
    options, graphs = (
        {ours: published[theirs] for ours, theirs in names.items()}
        for names in (case.options, case.graphs)
    )
    model = case.model(**sizes, **options, **case.fixed)
    values = {ours: published_value(golden, "param", p) for ours, p in case.parameters.items()}
    for ours, theirs in case.parameters.items():
        # A trained feature table is the features plus an offset, which starts at zero.
        if ours.endswith(OFFSET):
            values[ours] -= data[ITEM][FEATURE_PREFIX + theirs.removesuffix(FEATURES)]
    model.load_state_dict(values, strict=True)
    data = type(model).graph_transform(**graphs, **case.fixed_graphs)(data)
    if case.feed is not None:
        case.feed(data, golden)
    return model, data


def start_epoch(name: str, model: Recommender, data: HeteroData) -> None:
    """Starts an epoch; graphs that the golden file holds are not drawn again."""
    if CASES[name].feed is None:
        model.on_epoch_start(data)


def published_value(golden: Golden, kind: str, name: str) -> Tensor | None:
    """Returns a published parameter or its gradient, or :obj:`None` if the file has none.

    A name may end in :obj:`".T"` for the transpose, in :obj:`"[0]"` for the only row, or in
    :obj:`"[users]"` or :obj:`"[items]"` for the part of a table that has the users first. A third
    dimension of 1 is left out.
    """
    key, _, part = name.removesuffix(".T").partition("[")
    if f"{kind}/{key}" not in golden:
        return None
    value, num_users = torch.tensor(golden[f"{kind}/{key}"]), len(golden["scores"])
    value = value.squeeze(2) if value.dim() == 3 else value
    parts = {"": slice(None), "users]": slice(num_users), "items]": slice(num_users, None)}
    value = value[0] if part == "0]" else value[parts[part]]
    return value.t() if name.endswith(".T") else value


def published_graph(golden: Golden, name: str) -> Tensor:
    """Returns a sparse operator of a golden file as a dense matrix."""
    out = torch.zeros(*golden[f"graph/{name}/shape"].tolist())
    row, col = golden[f"graph/{name}/row"], golden[f"graph/{name}/col"]
    out[row, col] = torch.from_numpy(golden[f"graph/{name}/weight"])
    return out


def batch_of(golden: Golden, step: int) -> Triplets:
    """Returns a batch of a golden file."""
    return Triplets(*torch.from_numpy(golden["batches"][step]))


def scores_of(name: str, model: Recommender, data: HeteroData) -> Tensor:
    """Returns the scores of all users and items in evaluation mode, as they were published."""
    with torch.no_grad():
        user_emb, item_emb = model.eval()(data)
    scores = user_emb @ item_emb.t()
    return CASES[name].scores(scores)


def assert_close(
    ours: Tensor, published: np.ndarray | Tensor, tolerance: float = TOLERANCE
) -> None:
    """Asserts that values differ by no more than the tolerance, absolutely."""
    published = torch.as_tensor(published)
    torch.testing.assert_close(ours.to(published), published, atol=tolerance, rtol=0)
