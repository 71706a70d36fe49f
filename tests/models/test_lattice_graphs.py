import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import LightGCN
from soil_pyg.models.graphs import similar
from soil_pyg.models.lattice import UNWEIGHTED, LATTICEGraphs
from soil_pyg.transforms import NormalizeGraph, SimilarityGraph
from soil_pyg.typing import INTERACTS, ITEM, USER


def make_data() -> HeteroData:
    """Item 5 has no modality."""
    generator = torch.Generator().manual_seed(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = 5, 9
    for modality, size in {"image": 5, "text": 3}.items():
        data[ITEM][f"x_{modality}"] = torch.randn(9, size, generator=generator)
        data[ITEM][f"x_{modality}"][5] = 0
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 1, 2, 4], [0, 1, 1, 3, 8]])
    return data


@pytest.mark.parametrize("negative", ["drop", "keep"])
def test_items_are_linked_with_the_most_similar(negative: str) -> None:
    data = LATTICEGraphs(k=4, negative=negative)(make_data())
    for modality in ("image", "text"):
        expected = NormalizeGraph([similar(modality)])(
            SimilarityGraph(4, negative=negative)(make_data())
        )[similar(modality)]
        source, target = expected.edge_index
        dense = torch.zeros(9, 9)
        dense[target, source] = expected.norm_weight
        assert data[similar(modality)].adjacency.to_dense().equal(dense)
        assert dense[5].count_nonzero() == 0


def test_interactions_are_unweighted() -> None:
    data = make_data()
    data[INTERACTS].edge_weight = torch.rand(5)
    # The graph of another model stays as it is.
    data = LightGCN.graph_transform()(data)
    before = data[INTERACTS].adjacency
    data = LATTICEGraphs()(data)
    expected = torch.zeros(9, 5)
    expected[[0, 1, 1, 3, 8], [0, 0, 1, 2, 4]] = 1
    assert data[UNWEIGHTED].adjacency.to_dense().equal(expected)
    assert data[INTERACTS].adjacency is before


def test_modalities() -> None:
    data = LATTICEGraphs(k=2, modalities=["text"])(make_data())
    assert "adjacency" in data[similar("text")]
    assert similar("image") not in data.edge_types


def test_repr_and_errors() -> None:
    assert str(LATTICEGraphs(k=5)) == "LATTICEGraphs(SimilarityGraph(k=5, negative='drop'))"
    with pytest.raises(ValueError, match=r"'k'.*\(got 0\)"):
        LATTICEGraphs(k=0)
    with pytest.raises(ValueError, match=r"'negative'.*\(got 'x'\)"):
        LATTICEGraphs(negative="x")


test_wrong_arguments = wrong_arguments("LATTICEGraphs")
