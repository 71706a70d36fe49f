from collections.abc import Callable

from golden_model import Golden, assert_close, make, published_graph
from soil_pyg.models.freedom import ITEM_ITEM
from soil_pyg.typing import INTERACTS


def test_freedom_graphs(golden: Callable[[str], Golden]) -> None:
    values = golden("freedom")
    _, data = make("freedom", golden)
    num_users = data["user"].num_nodes
    published = published_graph(values, "norm_adj")
    ours = data[INTERACTS].adj.to_dense()
    assert_close(ours, published[num_users:, :num_users])
    assert_close(ours.t(), published[:num_users, num_users:])
    assert_close(data[ITEM_ITEM].adj.to_dense(), published_graph(values, "mm_adj"))
