import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import HeteroConv

from api_cases import wrong_arguments
from soil_pyg.nn import LightConv
from soil_pyg.ops.adjacency import Adjacency

NUM_SOURCES, NUM_TARGETS, CHANNELS = 5, 7, 3
SIZE = (NUM_SOURCES, NUM_TARGETS)
# Distinct edges in no order; targets 2 and 6 are isolated.
EDGE_INDEX = torch.tensor([[4, 0, 1, 3, 0, 1, 2, 4], [5, 1, 0, 0, 4, 3, 5, 1]])
FORMS = ["edge_index", "unsorted", "by_row", "by_column", "csr", "adjacency"]
SIZED_FORMS = pytest.mark.parametrize("form", FORMS)

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")


def edge_weight() -> Tensor:
    return torch.linspace(-1.0, 2.0, EDGE_INDEX.size(1), dtype=torch.float64)


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(NUM_SOURCES, CHANNELS, generator=generator, dtype=torch.float64),
        torch.randn(NUM_TARGETS, CHANNELS, generator=generator, dtype=torch.float64),
    )


def dense(weight: Tensor) -> Tensor:
    out = torch.zeros(NUM_TARGETS, NUM_SOURCES, dtype=weight.dtype)
    return out.index_put((EDGE_INDEX[1], EDGE_INDEX[0]), weight)


def edges(form: str, weight: Tensor) -> tuple[Tensor | Adjacency, Tensor | None]:
    """Returns the edges in one of the forms, and the weights where the form does not hold them."""
    source, target = EDGE_INDEX
    if form == "edge_index":
        return EDGE_INDEX, weight
    if form == "unsorted":
        return EdgeIndex(EDGE_INDEX, sparse_size=SIZE), weight
    if form == "by_row":
        order = torch.argsort(source * NUM_TARGETS + target)
        return EdgeIndex(EDGE_INDEX[:, order], sparse_size=SIZE, sort_order="row"), weight[order]
    order = torch.argsort(target * NUM_SOURCES + source)
    if form == "by_column":
        return EdgeIndex(EDGE_INDEX[:, order], sparse_size=SIZE, sort_order="col"), weight[order]
    if form == "csr":
        pointer = torch.tensor([0, 2, 4, 4, 5, 6, 8, 8])
        arrays = pointer, source[order], weight[order]
        shape = NUM_TARGETS, NUM_SOURCES
        return torch.sparse_csr_tensor(*arrays, shape, check_invariants=True), None
    return Adjacency.from_edge_index(EDGE_INDEX, weight, SIZE), None


def test_repr() -> None:
    conv = LightConv()
    assert str(conv) == "LightConv()"
    conv.reset_parameters()
    assert list(conv.parameters()) == []


@SIZED_FORMS
def test_every_form_equals_the_dense_matrix(form: str) -> None:
    (x_source, x_target), weight = inputs(), edge_weight()
    edge_index, given = edges(form, weight)
    out = LightConv()((x_source, x_target), edge_index, given)
    torch.testing.assert_close(out, dense(weight) @ x_source)
    assert out[[2, 6]].tolist() == [[0.0] * CHANNELS] * 2
    sized = LightConv()((x_source, None), edge_index, given, size=SIZE)
    assert sized.equal(out)


@SIZED_FORMS
def test_gradients(form: str) -> None:
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        edge_index, given = edges(form, weight)
        return LightConv()((x, None), edge_index, given, size=SIZE)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        return dense(weight) @ x

    leaves = inputs()[0].requires_grad_(), edge_weight().requires_grad_()
    assert torch.autograd.gradcheck(forward, leaves)
    ours = torch.autograd.grad(forward(*leaves).square().sum(), leaves)
    theirs = torch.autograd.grad(expected(*leaves).square().sum(), leaves)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("form", ["edge_index", "unsorted", "by_row", "by_column"])
def test_edges_without_weights_weigh_one(form: str) -> None:
    x = inputs()
    edge_index = edges(form, edge_weight())[0]
    ones = torch.ones(EDGE_INDEX.size(1), dtype=torch.float64)
    torch.testing.assert_close(LightConv()(x, edge_index), dense(ones) @ x[0])


@SIZED_FORMS
def test_matrices_need_no_messages(form: str) -> None:
    conv, messages = LightConv(), []
    conv.register_message_forward_pre_hook(lambda _, arguments: messages.append(arguments))
    conv(inputs(), *edges(form, edge_weight()))
    assert len(messages) == (1 if form in ("edge_index", "unsorted", "by_row") else 0)


@pytest.mark.parametrize("form", ["unsorted", "by_row", "by_column"])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_edge_index_of_unknown_size_takes_the_given_one(form: str, dtype: torch.dtype) -> None:
    edge_index, weight = edges(form, edge_weight())
    assert isinstance(edge_index, EdgeIndex)
    unsized = EdgeIndex(edge_index.as_tensor().to(dtype), sort_order=edge_index.sort_order)
    expected = dense(edge_weight()) @ inputs()[0]
    out = LightConv()((inputs()[0], None), unsized, weight, size=SIZE)
    torch.testing.assert_close(out, expected)
    # The last target is isolated, so only the features tell that it is there.
    torch.testing.assert_close(LightConv()(inputs(), unsized, weight), expected)


def test_without_any_size_there_are_as_many_targets_as_sources() -> None:
    edge_index, x = torch.tensor([[0, 1, 2], [1, 0, 1]]), torch.eye(4)
    expected = LightConv()((x, None), edge_index)
    for sort_order, order in ((None, [0, 1, 2]), ("row", [0, 1, 2]), ("col", [1, 0, 2])):
        edges = EdgeIndex(edge_index[:, order], sort_order=sort_order)
        assert LightConv()((x, None), edges).equal(expected)


@pytest.mark.parametrize("form", ["edge_index", "unsorted", "by_row", "by_column"])
def test_the_given_size_counts_also_if_the_edges_know_another(form: str) -> None:
    edge_index, weight = edges(form, edge_weight())
    size = SIZE[0], SIZE[1] + 2
    out = LightConv()((inputs()[0], None), edge_index, weight, size=size)
    torch.testing.assert_close(out[: SIZE[1]], dense(edge_weight()) @ inputs()[0])
    assert out[SIZE[1] :].tolist() == [[0.0] * out.size(1)] * 2


def test_indices_of_32_bits() -> None:
    weight = edge_weight()
    expected = LightConv()(inputs(), EDGE_INDEX, weight)
    assert LightConv()(inputs(), EDGE_INDEX.int(), weight).equal(expected)
    adjacency = Adjacency.from_edge_index(EDGE_INDEX.int(), weight, SIZE)
    torch.testing.assert_close(LightConv()(inputs(), adjacency), expected)


def test_duplicate_edges_add_up() -> None:
    edge_index = torch.tensor([[0, 0, 1], [0, 0, 1]])
    weight, x = torch.tensor([2.0, 3.0, 1.0]), torch.tensor([[1.0], [10.0]])
    by_column = EdgeIndex(edge_index, sparse_size=(2, 2), sort_order="col")
    adjacency = Adjacency.from_edge_index(edge_index, weight, (2, 2))
    for form, given in [(edge_index, weight), (by_column, weight), (adjacency, None)]:
        assert LightConv()(x, form, given).tolist() == [[5.0], [10.0]]


@pytest.mark.parametrize("sort_order", [None, "row", "col"])
def test_no_edges(sort_order: str | None) -> None:
    nothing = torch.empty(2, 0, dtype=torch.long)
    x = inputs()
    expected = torch.zeros(NUM_TARGETS, CHANNELS, dtype=torch.float64)
    assert LightConv()(x, nothing).equal(expected)
    edge_index = EdgeIndex(nothing, sparse_size=SIZE, sort_order=sort_order)
    assert LightConv()(x, edge_index).equal(expected)
    assert LightConv()(x, torch.zeros(NUM_TARGETS, NUM_SOURCES).to_sparse_csr()).equal(expected)


def test_hetero_conv() -> None:
    (x_user, x_item), weight = inputs(), edge_weight()
    buys, near = ("user", "buys", "item"), ("item", "near", "item")
    liked = ("item", "liked", "user")
    conv = HeteroConv({buys: LightConv(), liked: LightConv(), near: LightConv()}, aggr="sum")
    similar = Adjacency.from_edge_index(torch.tensor([[0, 3], [6, 2]]), size=(7, 7))
    out = conv(
        {"user": x_user, "item": x_item},
        {buys: EDGE_INDEX, liked: edges("csr", weight)[0].t().to_sparse_csr(), near: similar},
        edge_weight_dict={buys: weight},
    )
    expected = dense(weight) @ x_user
    expected[6] += x_item[0]
    expected[2] += x_item[3]
    torch.testing.assert_close(out["item"], expected)
    torch.testing.assert_close(out["user"], dense(weight).t() @ x_item)


def test_options_that_matrices_cannot_follow_are_refused() -> None:
    match = r"'flow'.*\(got 'target_to_source'\)"
    with pytest.raises(ValueError, match=match):
        LightConv(flow="target_to_source")
    with pytest.raises(TypeError, match="multiple values for keyword argument 'aggr'"):
        LightConv(aggr="mean")


test_wrong_arguments = wrong_arguments("LightConv")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
@pytest.mark.parametrize("order", [None, "row", "col"])
def test_integers_of_any_size_have_the_same_gradients(dtype: torch.dtype, order: str) -> None:
    generator = torch.Generator().manual_seed(0)
    slope = torch.randn(NUM_TARGETS, CHANNELS, generator=generator)
    grads = []
    for kind in (torch.int64, dtype):
        x = torch.ones(NUM_SOURCES, CHANNELS, requires_grad=True)
        edge_index = EDGE_INDEX[:, EDGE_INDEX[0 if order == "row" else 1].argsort(stable=True)]
        edge_index = edge_index.to(kind)
        if order is not None and kind in (torch.int32, torch.int64):
            size = (NUM_SOURCES, NUM_TARGETS)
            edge_index = EdgeIndex(edge_index, sparse_size=size, sort_order=order)
        out = LightConv()((x, torch.zeros(NUM_TARGETS, CHANNELS)), edge_index)
        grads.append(torch.autograd.grad((out * slope).sum(), x)[0])
    torch.testing.assert_close(grads[1], grads[0])
