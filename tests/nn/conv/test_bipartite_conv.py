import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from api_cases import wrong_arguments
from soil_pyg.nn import BipartiteConv
from soil_pyg.ops.adjacency import Adjacency

NUM_SOURCES, NUM_TARGETS, CHANNELS = 4, 6, 3
SIZE = (NUM_SOURCES, NUM_TARGETS)
# Sorted by target; target 2 and source 2 have no edges.
EDGE_INDEX = torch.tensor([[1, 3, 0, 1, 0, 3], [0, 0, 1, 3, 4, 5]])
EDGE_WEIGHT = torch.tensor([1.5, -4.0, 2.0, 0.5, 0.25, 3.0], dtype=torch.float64)
MATRIX = torch.zeros(NUM_TARGETS, NUM_SOURCES, dtype=torch.float64).index_put(
    (EDGE_INDEX[1], EDGE_INDEX[0]), EDGE_WEIGHT
)

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")


def edges(form: str) -> tuple[Tensor | Adjacency, Tensor | None]:
    if form == "edge_index":
        return EDGE_INDEX, EDGE_WEIGHT
    if form == "by_column":
        return EdgeIndex(EDGE_INDEX, sparse_size=SIZE, sort_order="col"), EDGE_WEIGHT
    if form == "unknown_size":
        return EdgeIndex(EDGE_INDEX, sort_order="col"), EDGE_WEIGHT
    if form == "csr":
        return MATRIX.to_sparse_csr(), None
    return Adjacency.from_edge_index(EDGE_INDEX, EDGE_WEIGHT, SIZE), None


def test_repr() -> None:
    conv = BipartiteConv()
    assert str(conv) == "BipartiteConv()"
    conv.reset_parameters()
    assert list(conv.parameters()) == []


@pytest.mark.parametrize("form", ["edge_index", "by_column", "unknown_size", "csr", "adjacency"])
def test_equals_one_step_with_the_symmetric_matrix(form: str) -> None:
    num_nodes = NUM_SOURCES + NUM_TARGETS
    symmetric = torch.zeros(num_nodes, num_nodes, dtype=torch.float64)
    symmetric[NUM_SOURCES:, :NUM_SOURCES] = MATRIX
    symmetric[:NUM_SOURCES, NUM_SOURCES:] = MATRIX.t()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(num_nodes, CHANNELS, generator=generator, dtype=torch.float64)
    x.requires_grad_()
    out = torch.cat(BipartiteConv()(x.split([NUM_SOURCES, NUM_TARGETS]), *edges(form)))
    torch.testing.assert_close(out, symmetric @ x)
    factor = torch.randn(num_nodes, CHANNELS, generator=generator, dtype=torch.float64)
    (grad,) = torch.autograd.grad((out * factor).sum(), x)
    torch.testing.assert_close(grad, symmetric @ factor)


test_wrong_arguments = wrong_arguments("BipartiteConv")
