from collections.abc import Callable

from golden_model import Golden, assert_close, make, published_graph
from soil_pyg.typing import INTERACTS


def test_user_item_graph(golden: Callable[[str], Golden]) -> None:
    _, data = make("lgmrec", golden)
    num_users = data["user"].num_nodes
    published = published_graph(golden("lgmrec"), "norm_adj")
    assert_close(data[INTERACTS].adj.to_dense(), published[num_users:, :num_users])
    assert_close(data[INTERACTS].adj.t().to_dense(), published[:num_users, num_users:])
