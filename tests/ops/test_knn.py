import importlib.util
import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.nn import MIPSKNNIndex

from api_cases import wrong_arguments
from soil_pyg.ops import faiss_library, knn
from soil_pyg.ops.knn import KNN

HAS_FAISS = importlib.util.find_spec("faiss") is not None
needs_faiss = pytest.mark.skipif(not HAS_FAISS, reason="faiss is not installed")
LIBRARIES = pytest.mark.parametrize(
    "use_faiss", [False, pytest.param(True, marks=needs_faiss)], ids=["torch", "faiss"]
)
BUDGETS = pytest.mark.parametrize("memory_budget", [1, 1000, 2**30])


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def naive(candidates: Tensor, query: Tensor, k: int) -> tuple[list[list[float]], list[list[int]]]:
    values, ids = [], []
    for row in (query.double() @ candidates.double().t()).float().tolist():
        best = sorted(range(len(row)), key=lambda column: (-row[column], column))[:k]
        ids.append(best)
        values.append([row[column] for column in best])
    return values, ids


@needs_faiss
def test_faiss_searches_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    search = faiss_library.exact_search

    def exact_search(x: Tensor, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        sizes.append((len(x), len(query), k))
        return search(x, query, k)

    monkeypatch.setattr(knn, "exact_search", exact_search)
    for use_faiss, engine in {None: "faiss", True: "faiss", False: "torch"}.items():
        search_of = KNN(normal(30, 2), use_faiss=use_faiss)
        search_of.search(normal(4, 2), k=5)
        assert search_of.report["engine"] == engine
    assert sizes == [(30, 4, 6)] * 2


def test_vectors_are_added() -> None:
    emb, query = normal(40, 6), normal(9, 6, seed=1)
    search = KNN()
    assert (search.numel, str(search)) == (0, "KNN(0, index='Flat')")
    for call in (search.get_emb, lambda: search.search(query, 1), lambda: search.find(query, 1)):
        with pytest.raises(RuntimeError, match="'add'"):
            call()
    # The longest vector is among the later ones.
    for part in (0.01 * emb[:15], emb[15:]):
        search.add(part)
    emb = search.get_emb()
    assert (search.numel, str(search)) == (40, "KNN(40, index='Flat')")
    assert emb.equal(torch.cat([0.01 * normal(40, 6)[:15], normal(40, 6)[15:]]))
    assert search.search(query, k=5).index.tolist() == naive(emb, query, 5)[1]
    with pytest.raises(ValueError, match=r"'emb'.*6 columns.*\(got 5"):
        search.add(normal(3, 5))


@needs_faiss
@pytest.mark.parametrize("index", ["Flat", "IVF4,Flat"])
def test_answers_are_those_of_a_knn_index_of_pyg(index: str) -> None:
    emb, query = normal(60, 6), normal(9, 6, seed=1)
    pairs = torch.tensor([[0, 0, 0, 3, 8], [5, 1, 2, 59, 8]])
    theirs = MIPSKNNIndex(emb)
    ours = KNN(emb, index, recall=1.0)
    assert ours.numel == theirs.numel
    assert ours.get_emb().equal(theirs.get_emb())
    for exclude_links in (None, pairs, pairs[:, :0]):
        for k in (1, 4, 60):
            mine, other = (x.search(query, k, exclude_links) for x in (ours, theirs))
            assert type(mine) is type(other)
            assert mine.index.equal(other.index)
            torch.testing.assert_close(mine.score, other.score)


def test_excluded_links_are_no_answers() -> None:
    out = KNN(torch.eye(3)).search(torch.ones(2, 3), 3, torch.tensor([[0, 0], [1, 0]]))
    assert out.index.tolist() == [[2, -1, -1], [0, 1, 2]]
    assert out.score.tolist() == [[1.0, -torch.inf, -torch.inf], [1.0, 1.0, 1.0]]


@LIBRARIES
@BUDGETS
def test_equals_the_naive_search(use_faiss: bool, memory_budget: int) -> None:
    candidates, query = normal(40, 6), normal(9, 6, seed=1)
    search = KNN(candidates, use_faiss=use_faiss, memory_budget=memory_budget)
    for k in (1, 7, 39, 40):
        values, ids = search.search(query, k)
        expected, expected_ids = naive(candidates, query, k)
        assert ids.dtype == torch.long
        assert ids.tolist() == expected_ids
        torch.testing.assert_close(values, torch.tensor(expected))


matrices = st.integers(1, 3).flatmap(
    lambda channels: st.tuples(
        *(
            st.lists(
                st.lists(st.integers(-2, 2), min_size=channels, max_size=channels),
                min_size=1,
                max_size=12,
            )
            for _ in range(2)
        )
    )
)


@LIBRARIES
@settings(max_examples=30, deadline=None)
@given(matrices, st.integers(1, 14), st.sampled_from([1, 500, 2**30]))
def test_ties_go_to_the_smaller_id(
    use_faiss: bool, rows: tuple[list, list], k: int, memory_budget: int
) -> None:
    candidates, query = torch.tensor(rows[0]).float(), torch.tensor(rows[1]).float()
    search = KNN(candidates, use_faiss=use_faiss, memory_budget=memory_budget)
    values, ids = search.search(query, k)
    assert (values.tolist(), ids.tolist()) == naive(candidates, query, k)


@LIBRARIES
@BUDGETS
def test_identical_rows(use_faiss: bool, memory_budget: int) -> None:
    candidates = torch.nn.functional.normalize(normal(1, 16)).expand(100, 16)
    search = KNN(candidates, use_faiss=use_faiss, memory_budget=memory_budget)
    values, ids = search.search(candidates, k=10)
    assert ids.tolist() == [list(range(10))] * 100
    torch.testing.assert_close(values, torch.ones(100, 10))


@LIBRARIES
def test_any_number_of_threads(use_faiss: bool, threads: int) -> None:
    candidates = normal(15, 8).repeat(20, 1)
    ids = KNN(candidates, use_faiss=use_faiss).search(candidates[:50], k=30)[1]
    assert ids.tolist() == naive(candidates, candidates[:50], 30)[1]
    assert torch.get_num_threads() == threads


@LIBRARIES
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_queries_of_any_norm(use_faiss: bool, scale: float) -> None:
    candidates, query = normal(10, 8).repeat(3, 1), normal(5, 8, seed=1)
    values, ids = KNN(candidates, use_faiss=use_faiss).search(scale * query, k=12)
    expected, expected_ids = naive(candidates, query, 12)
    assert ids.tolist() == expected_ids
    torch.testing.assert_close(values / scale, torch.tensor(expected))


@LIBRARIES
@pytest.mark.parametrize("scale", [2.0**-20, 1.0, 2.0**20])
def test_ties_that_rounding_hides(use_faiss: bool, scale: float) -> None:
    # Sums of the same numbers in another order: equal, but not in single precision.
    row = (normal(200) * 2**21).round() / 2**21
    orders = [torch.randperm(200, generator=torch.Generator().manual_seed(n)) for n in range(40)]
    candidates = torch.stack([row[order] for order in orders])
    query = torch.full((3, 200), scale)
    assert (candidates @ query[0]).unique().numel() > 1
    ids = KNN(candidates, use_faiss=use_faiss).search(query, k=10)[1]
    assert ids.tolist() == [list(range(10))] * 3


@pytest.mark.parametrize("channels", [384, 2048])
def test_vectors_whose_products_differ_by_little_more_than_rounding(
    channels: int, onednn: bool
) -> None:
    # Long sums of positive numbers are rounded most.
    x = normal(1, channels, seed=1).abs()
    candidates, query = x + 3e-5 * normal(2, channels), x + 0.05 * normal(3000, channels, seed=2)
    unit = [torch.nn.functional.normalize(y.double()).float() for y in (candidates, query)]
    ids = KNN(unit[0], use_faiss=False).search(unit[1], k=1)[1]
    assert ids.tolist() == naive(*unit, k=1)[1]


@LIBRARIES
def test_a_query_of_zeros_finds_the_first(use_faiss: bool) -> None:
    values, ids = KNN(normal(30, 4), use_faiss=use_faiss).search(torch.zeros(1, 4), k=3)
    assert (values.tolist(), ids.tolist()) == ([[0.0, 0.0, 0.0]], [[0, 1, 2]])


@LIBRARIES
def test_sizes_at_the_edge(use_faiss: bool) -> None:
    values, ids = KNN(normal(3, 2), use_faiss=use_faiss).search(normal(4, 2), k=10)
    assert values.size() == ids.size() == (4, 3)
    values, ids = KNN(torch.empty(0, 2), use_faiss=use_faiss).search(normal(4, 2), k=10)
    assert values.size() == ids.size() == (4, 0)
    values, ids = KNN(normal(3, 2), use_faiss=use_faiss).search(torch.empty(0, 2), k=2)
    assert values.size() == ids.size() == (0, 2)


@LIBRARIES
def test_other_types_are_searched_in_single_precision(use_faiss: bool) -> None:
    candidates = normal(20, 4).half()
    values, ids = KNN(candidates, use_faiss=use_faiss).search(candidates, k=3)
    assert values.dtype == torch.float32
    assert ids.tolist() == naive(candidates, candidates, 3)[1]


def test_the_precision_of_products_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def multiply(x: Tensor, y: Tensor) -> Tensor:
        used.append(torch.get_float32_matmul_precision())
        return x @ y.t()

    monkeypatch.setattr(knn, "matmul_t", multiply)
    for precision in ("highest", "medium"):
        KNN(normal(9, 4), use_faiss=False, matmul_precision=precision).search(normal(2, 4), k=1)
    assert used == ["highest", "medium"]


@LIBRARIES
def test_errors(use_faiss: bool) -> None:
    search = KNN(normal(3, 2), use_faiss=use_faiss)
    for k in (0, -1, 1.5, True, None, "3", torch.nan):
        with pytest.raises(ValueError, match=rf"'k'.*\(got {k!r}\)"):
            search.search(normal(1, 2), k)
    for value in (torch.nan, torch.inf, -torch.inf):
        x = torch.tensor([[0.0, value]])
        with pytest.raises(ValueError, match=r"'emb'.*\(got NaN or infinity"):
            KNN(x, use_faiss=use_faiss)
        for function in (search.search, search.find, search.tune):
            with pytest.raises(ValueError, match=r"'query'.*\(got NaN or infinity"):
                function(x, 1)
    for query, got in {
        normal(2): r"\(2,\)",
        normal(1, 3): "3 on cpu",
        torch.empty(1, 2, device="meta"): "2 on meta",
        torch.full((1, 2), 3e38): "length 4.24",
    }.items():
        with pytest.raises(ValueError, match=rf"'query'.*\(got {got}"):
            search.search(query, 1)


@LIBRARIES
def test_vectors_without_channels(use_faiss: bool) -> None:
    values, ids = KNN(torch.empty(4, 0), use_faiss=use_faiss).search(torch.empty(2, 0), k=3)
    assert values.tolist() == [[0.0] * 3] * 2
    assert ids.tolist() == [[0, 1, 2]] * 2


@LIBRARIES
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.int64])
def test_queries_of_other_types_and_with_gradients(use_faiss: bool, dtype: torch.dtype) -> None:
    candidates, query = (8 * normal(20, 4)).round(), (8 * normal(5, 4, seed=1)).round()
    expected = naive(candidates, query, 6)
    search = KNN(candidates.to(dtype), use_faiss=use_faiss)
    values, ids = search.search(query.to(dtype), k=6)
    assert (values.tolist(), ids.tolist()) == expected
    values, ids = search.search(query.requires_grad_(), k=6)
    assert not values.requires_grad
    assert ids.tolist() == expected[1]


@LIBRARIES
def test_candidates_one_unit_in_the_last_place_apart(use_faiss: bool) -> None:
    x = torch.nn.functional.normalize(normal(1, 300).abs()).repeat(50, 1)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    for rank, row in enumerate(order.tolist()):
        for _ in range(rank):
            x[row] = torch.nextafter(x[row], torch.tensor(torch.inf))
    query = x[:3]
    values, ids = KNN(x, use_faiss=use_faiss).search(query, k=20)
    assert (values.tolist(), ids.tolist()) == naive(x, query, 20)


def test_without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "faiss", None)
    candidates, query = normal(40, 6), normal(9, 6, seed=1)
    assert KNN(candidates).search(query, k=5)[1].tolist() == naive(candidates, query, 5)[1]
    match = "FAISS.*'cpu'.*'gpu'.*index='Flat'"
    with pytest.raises(ImportError, match=match):
        KNN(candidates, index="HNSW32")
    with pytest.raises(ImportError, match=match):
        KNN(candidates, use_faiss=True)


test_wrong_arguments = wrong_arguments("KNN")


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ([[0], [3]], r"vectors .* less than 3 \(got 3..3\)"),
        ([[1], [-1]], r"vectors .* less than 3 \(got -1..-1\)"),
        ([[2], [0]], r"queries .* less than 2 \(got 2..2\)"),
    ],
)
def test_links_that_do_not_exist_cannot_be_excluded(link: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KNN(torch.eye(3)).search(torch.ones(2, 3), 3, torch.tensor(link))
