import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import SOIL
from soil_pyg.training.subgraph_sampler import SubgraphSampler, positions
from soil_pyg.typing import INTERACTS, ITEM, USER

NODES = {USER: torch.arange(0, 30, 3), ITEM: torch.arange(1, 40, 2)}
EVERYTHING = {USER: torch.arange(30), ITEM: torch.arange(40)}


@pytest.fixture
def data(data: HeteroData) -> HeteroData:
    torch.manual_seed(0)
    data[ITEM].x_image, data[ITEM].x_text = torch.randn(40, 5), torch.randn(40, 3)
    return SOIL.graph_transform(k=4, k_i=2)(data)


def graphs(data: HeteroData) -> list[tuple[str, str, str]]:
    return [edge_type for edge_type in data.edge_types if "adjacency" in data[edge_type]]


def naive(dense: Tensor, rows: list[int], columns: list[int]) -> Tensor:
    """Returns the submatrix by its definition, entry by entry."""
    out = torch.zeros(len(rows), len(columns))
    for r, row in enumerate(rows):
        kept = sum(abs(dense[row, column].item()) for column in columns)
        total = sum(abs(dense[row, column].item()) for column in range(dense.size(1)))
        for c, column in enumerate(columns):
            out[r, c] = dense[row, column] * (total / kept if kept else 1.0)
    return out


def test_graphs_are_those_among_the_nodes(data: HeteroData) -> None:
    sample = SubgraphSampler(data).sample(NODES)
    assert graphs(sample) == graphs(data)
    assert len(graphs(sample)) >= 4
    for edge_type in graphs(data):
        source, _, target = edge_type
        dense = data[edge_type].adjacency.to_dense()
        rows, columns = NODES[target].tolist(), NODES[source].tolist()
        adj = sample[edge_type].adjacency
        assert adj.to_dense().count_nonzero() > 0
        torch.testing.assert_close(adj.to_dense(), naive(dense, rows, columns))
        torch.testing.assert_close(adj.t().to_dense(), naive(dense.t(), columns, rows))
        product = adj @ torch.eye(len(columns))
        torch.testing.assert_close(product, adj.to_dense(), rtol=1e-5, atol=1e-6)


def test_features_and_indices(data: HeteroData) -> None:
    sample = SubgraphSampler(data).sample(NODES)
    assert torch.equal(sample[ITEM].x_image, data[ITEM].x_image[NODES[ITEM]])
    assert torch.equal(sample[ITEM].x_text, data[ITEM].x_text[NODES[ITEM]])
    assert (sample[USER].num_nodes, sample[ITEM].num_nodes) == (10, 20)
    assert torch.equal(sample[USER].n_id, NODES[USER])
    assert not sample[INTERACTS].keys()


def test_all_nodes_give_the_same_graphs(data: HeteroData) -> None:
    sample = SubgraphSampler(data).sample(EVERYTHING)
    for edge_type in graphs(data):
        assert torch.equal(
            sample[edge_type].adjacency.to_dense(), data[edge_type].adjacency.to_dense()
        )
        assert torch.equal(
            sample[edge_type].adjacency.t().to_dense(), data[edge_type].adjacency.t().to_dense()
        )


def test_nodes_without_neighbours_in_the_sample(data: HeteroData) -> None:
    nodes = {USER: torch.tensor([0]), ITEM: torch.tensor([39])}
    sample = SubgraphSampler(data).sample(nodes)
    for edge_type in graphs(data):
        assert sample[edge_type].adjacency.to_dense().isfinite().all()


def test_neighbours(data: HeteroData) -> None:
    sampler = SubgraphSampler(data)
    users, items = torch.tensor([4, 9]), torch.tensor([1, 8])
    of_users, of_items, similar = set[int](), set[int](), set[int]()
    for edge_type in graphs(data):
        dense = data[edge_type].adjacency.to_dense()
        if edge_type[0] == USER:
            of_users |= set(dense[:, users].nonzero()[:, 0].tolist())
            of_items |= set(dense[items].nonzero()[:, 1].tolist())
        else:
            similar |= set((dense + dense.t())[items].nonzero()[:, 1].tolist())
    assert set(sampler.neighbours(USER, users, ITEM).tolist()) == of_users
    assert set(sampler.neighbours(ITEM, items, USER).tolist()) == of_items
    assert set(sampler.neighbours(ITEM, items, ITEM).tolist()) == similar
    assert sampler.neighbours(USER, users, USER).tolist() == []


def test_positions() -> None:
    assert positions(torch.tensor([3, 0]), 5).tolist() == [1, -1, -1, 0, -1]
