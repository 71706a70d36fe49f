from collections.abc import Callable

import pytest

from golden_model import Golden, assert_close, make, published_graph
from soil_pyg.models.graphs import similar
from soil_pyg.typing import INTERACTS


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("image", "image_original_adj"),
        ("text", "text_original_adj"),
        ("fusion", "fusion_adj"),
    ],
)
def test_item_graphs(name: str, key: str, golden: Callable[[str], Golden]) -> None:
    _, data = make("smore", golden)
    ours = data[similar(name)].adjacency.to_dense()
    assert_close(ours, published_graph(golden("smore"), key))


def test_user_item_graph(golden: Callable[[str], Golden]) -> None:
    _, data = make("smore", golden)
    assert_close(data[INTERACTS].adjacency.t().to_dense(), published_graph(golden("smore"), "R"))
