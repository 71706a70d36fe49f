from collections.abc import Callable

from golden_model import Golden, assert_close, make, published_graph
from soil_pyg.typing import INTERACTS


def test_lightgcn_graph(golden: Callable[[str], Golden]) -> None:
    values = golden("lightgcn")
    _, data = make("lightgcn", golden)
    num_users = data["user"].num_nodes
    published = published_graph(values, "norm_adj_matrix")
    ours = data[INTERACTS].adj.to_dense()
    assert_close(ours, published[num_users:, :num_users])
    assert_close(ours.t(), published[:num_users, num_users:])
