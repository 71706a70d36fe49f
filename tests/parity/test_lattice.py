from collections.abc import Callable

import torch

from golden_model import Golden, assert_close, make, published_graph
from soil_pyg.models.lattice import UNWEIGHTED
from soil_pyg.nn import MeanPropagation


def test_lattice_user_item_operator(golden: Callable[[str], Golden]) -> None:
    values = golden("lattice")
    _, data = make("lattice", golden)
    sizes = data["user"].num_nodes, data["item"].num_nodes
    identity = torch.eye(sum(sizes))
    # The mean of the identity and of one step.
    user, item = MeanPropagation(1)(identity.split(sizes), data[UNWEIGHTED].adj)
    ours = 2 * torch.cat([user, item]) - identity
    assert_close(ours, published_graph(values, "norm_adj"))
