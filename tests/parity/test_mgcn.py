from collections.abc import Callable

from golden_model import Golden, assert_close, make, published_graph
from soil_pyg.models.graphs import similar
from soil_pyg.typing import INTERACTS


def test_mgcn_graphs(golden: Callable[[str], Golden]) -> None:
    values = golden("mgcn")
    _, data = make("mgcn", golden)
    num_users = data["user"].num_nodes
    ours = data[INTERACTS].adj.to_dense()
    published = published_graph(values, "norm_adj")
    assert_close(ours, published[num_users:, :num_users])
    assert_close(ours.t(), published[:num_users, num_users:])
    assert_close(ours.t(), published_graph(values, "R"))
    for modality in ("image", "text"):
        published = published_graph(values, f"{modality}_original_adj")
        assert_close(data[similar(modality)].adj.to_dense(), published)
