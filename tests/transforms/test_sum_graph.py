import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.transforms import SumGraph

BOUGHT, VIEWED = ("user", "bought", "item"), ("user", "viewed", "item")
OUT = ("user", "knows", "item")


@pytest.fixture
def data() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 2
    data[BOUGHT].edge_index = torch.tensor([[2, 0, 1], [1, 0, 1]])
    data[VIEWED].edge_index = torch.tensor([[0, 1], [1, 1]])
    data[VIEWED].norm_weight = torch.tensor([0.25, 0.5])
    return data


def test_sum_graph(data: HeteroData) -> None:
    out = SumGraph({BOUGHT: None, VIEWED: "norm_weight"}, OUT, scales=[1.0, 2.0])(data)
    assert out[OUT].edge_index.tolist() == [[0, 0, 1, 2], [0, 1, 1, 1]]
    assert out[OUT].edge_weight.tolist() == [1.0, 0.5, 2.0, 1.0]
    assert OUT not in data.edge_types


def test_all_scales_are_one_by_default(data: HeteroData) -> None:
    out = SumGraph({BOUGHT: None, VIEWED: "norm_weight"}, OUT)(data)
    assert out[OUT].edge_weight.tolist() == [1.0, 0.25, 1.5, 1.0]


def test_errors(data: HeteroData) -> None:
    with pytest.raises(ValueError, match=r"'scales' must have 1 entries \(got 2\)"):
        SumGraph({BOUGHT: None}, OUT, scales=[1.0, 2.0])
    with pytest.raises(ValueError, match="does not link the same nodes as 'out'"):
        SumGraph({BOUGHT: None}, ("item", "knows", "item"))
    with pytest.raises(ValueError, match="the data has no edges"):
        SumGraph({OUT: None}, OUT)(data)


def test_repr() -> None:
    assert str(SumGraph({BOUGHT: None}, OUT)) == (
        "SumGraph([('user', 'bought', 'item')], out=('user', 'knows', 'item'))"
    )
