from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ops import interest_items
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.interest_items import InterestItems
from soil_pyg.ops.pairs import exact_inner_product
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.similarity_pass import SimilarityPass

NUM_USERS, NUM_ITEMS = 9, 14
# User 3 has only item 9, which lacks all modalities, and user 5 only item 5, which lacks one.
HISTORY = {3: [9], 5: [5]}


def make_history(seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(NUM_ITEMS)[: rng.integers(1, 6)].tolist() for _ in range(NUM_USERS)]
    return [sorted(HISTORY.get(user, items)) for user, items in enumerate(drawn)]


def matrix(history: list[list[int]]) -> Adjacency:
    pairs = [(item, user) for user, items in enumerate(history) for item in items]
    return Adjacency.from_edge_index(torch.tensor(pairs).t(), size=(NUM_ITEMS, len(history)))


def naive(similarities: dict[str, np.ndarray], history: list[list[int]], k: int) -> list[list[int]]:
    out = []
    for items in history:
        interest: set[int] = set()
        for similarity in similarities.values():
            candidates = [j for j in range(NUM_ITEMS) if not np.isnan(similarity[j, j])]
            having = [i for i in items if i in candidates]
            if having:
                total = {j: sum(similarity[i, j] for i in having).round(8) for j in candidates}
                interest.update(sorted(candidates, key=lambda j: (-total[j], j))[:k])
        out.append(sorted(interest))
    return out


def find(
    features: dict, history: list[list[int]], k: int, index: str = "Flat", budget: int = 2**30
) -> tuple[list[list[int]], InterestItems]:
    interest = InterestItems(features, matrix(history), k, budget)
    SimilarityPass(features, SearchOptions(index, memory_budget=budget)).run(interest)
    rowptr, items = interest.finish()
    assert rowptr.size() == (len(history) + 1,)
    return [part.tolist() for part in items.split(rowptr.diff().tolist())], interest


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k=st.integers(1, 6),
    num_modalities=st.integers(1, 3),
    is_missing=st.booleans(),
    budget=st.sampled_from([1, 3000, 2**30]),
)
def test_equals_the_naive_loop(
    make_features: Callable,
    cosines: Callable,
    seed: int,
    k: int,
    num_modalities: int,
    is_missing: bool,
    budget: int,
) -> None:
    features = make_features(num_modalities, is_missing=is_missing)
    history = make_history(seed)
    found, interest = find(features, history, k, budget=budget)
    assert found == naive(cosines(features), history, k)
    assert {report["index"] for report in interest.report.values()} == {"Flat"}


@pytest.mark.parametrize("k", [NUM_ITEMS - 1, NUM_ITEMS, NUM_ITEMS + 20])
@pytest.mark.parametrize("budget", [1, 2**30])
@pytest.mark.parametrize("index", ["Flat", "IVF2,Flat"])
def test_more_than_there_are_items(
    make_features: Callable, cosines: Callable, k: int, budget: int, index: str
) -> None:
    features, history = make_features(), make_history()
    found, _ = find(features, history, k, index, budget)
    assert found == naive(cosines(features), history, k)
    assert found[3] == []
    assert found[5] == [i for i in range(NUM_ITEMS) if i not in (6, 9, 11)]


@pytest.mark.parametrize("cached", [1, 5, 128])
def test_any_block_of_sums(
    make_features: Callable, cosines: Callable, monkeypatch: pytest.MonkeyPatch, cached: int
) -> None:
    monkeypatch.setattr(interest_items, "CACHED_ROWS", cached)
    monkeypatch.setattr(interest_items, "TIED_USERS", cached)
    features, history = make_features(), make_history(1)
    assert find(features, history, 3)[0] == naive(cosines(features), history, 3)


@pytest.mark.parametrize("budget", [1, 2**30])
def test_ties_go_to_the_smaller_item(budget: int) -> None:
    c = torch.nn.functional.normalize(torch.tensor([[1.0, 3.0]]).expand(NUM_ITEMS, 2))
    features = {"image": (c.contiguous(), torch.ones(NUM_ITEMS, dtype=torch.bool))}
    assert find(features, [[13], [4, 9], list(range(NUM_ITEMS))], 4, budget=budget)[0] == (
        [[0, 1, 2, 3]] * 3
    )


def test_of_equal_items_the_first_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    num_pairs = []

    def count(left: Tensor, right: Tensor, row: Tensor, column: Tensor, **options: bool) -> Tensor:
        num_pairs.append(row.numel())
        return exact_inner_product(left, right, row, column, **options)

    monkeypatch.setattr(interest_items, "exact_inner_product", count)
    c = torch.ones(1, 3).expand(1000, 3) / 3**0.5
    features = {"image": (c.contiguous(), torch.ones(1000, dtype=torch.bool))}
    history = Adjacency.from_edge_index(torch.tensor([[7, 500, 999], [0, 0, 1]]), size=(1000, 2))
    interest = InterestItems(features, history, k=4)
    SimilarityPass(features, SearchOptions("Flat")).run(interest)
    assert interest.finish()[1].tolist() == [0, 1, 2, 3] * 2
    assert sum(num_pairs) == 0


@pytest.mark.parametrize("budget", [1, 2**30])
def test_both_items_of_a_user_are_equally_interesting(budget: int) -> None:
    # The sum of either is one plus their cosine, whatever rounding makes of it.
    generator = torch.Generator().manual_seed(0)
    c = torch.nn.functional.normalize(torch.randn(NUM_ITEMS, 200, generator=generator))
    features = {"image": (c, torch.ones(NUM_ITEMS, dtype=torch.bool))}
    history = [[i, j] for i in range(NUM_ITEMS) for j in range(i + 1, NUM_ITEMS)]
    found, _ = find(features, history, 1, budget=budget)
    assert found == [[i] for i, _ in history]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("budget", [1, 2**30])
def test_an_index_that_finds_all_is_exact(
    make_features: Callable, cosines: Callable, k: int, budget: int
) -> None:
    # Users of one item each, whose copies are left out: without ties, nothing is left open.
    features = {name: (c.clone(), has.clone()) for name, (c, has) in make_features().items()}
    for c, has in features.values():
        c[[7, 8]], has[[7, 8]] = 0.0, torch.tensor([False, False])
    history = [[i] for i in range(NUM_ITEMS)]
    found, interest = find(features, history, k, "IVF2,Flat", budget)
    assert found == naive(cosines(features), history, k)
    for report in interest.report.values():
        assert (report["index"], report["recall"]) == ("IVF2,Flat", 1.0)


@pytest.mark.parametrize("index", ["Flat", "IVF2,Flat"])
def test_an_item_between_two_styles_that_is_near_to_neither(index: str) -> None:
    # Each item of the user has more neighbours of its own style than are compared.
    num_items = 2 * (interest_items.CANDIDATES + 4)
    torch.manual_seed(0)
    styles = torch.eye(2).repeat_interleave(num_items // 2, dim=0)
    x = torch.cat([styles + 0.1 * torch.rand(num_items, 2), torch.ones(1, 2)])
    features = {
        "image": (torch.nn.functional.normalize(x), torch.ones(num_items + 1, dtype=torch.bool))
    }
    edge_index = torch.tensor([[0, num_items - 1], [0, 0]])
    interest = InterestItems(
        features, Adjacency.from_edge_index(edge_index, size=(num_items + 1, 1)), 1
    )
    SimilarityPass(features, SearchOptions(index)).run(interest)
    assert interest.finish()[1].tolist() == [num_items]


@pytest.mark.parametrize("index", ["Flat", "IVF2,Flat"])
def test_a_modality_of_items_that_nobody_chose(
    make_features: Callable, cosines: Callable, index: str
) -> None:
    features = make_features()
    c, has = features["text"]
    chosen = torch.tensor([0, 2, 4])
    features["text"] = c.index_fill(0, chosen, 0.0), has.index_fill(0, chosen, False)
    history = [[0], [2], [4, 0]]
    found, interest = find(features, history, 3, index)
    assert found == naive({"image": cosines(features)["image"]}, history, 3)
    assert interest.report["text"]["index"].startswith(index)
    assert interest.report["text"]["recall"] == 1.0


@pytest.mark.parametrize("index", ["Flat", "IVF2,Flat"])
@pytest.mark.parametrize("is_missing", [True, False])
def test_users_without_interactions(
    make_features: Callable, cosines: Callable, index: str, is_missing: bool
) -> None:
    features, history = make_features(is_missing=is_missing), [[], [0], [], [2, 4], []]
    expected = naive(cosines(features), history, 3)
    assert find(features, history, 3, index)[0] == expected
    assert [len(items) > 0 for items in expected] == [False, True, False, True, False]


@pytest.mark.parametrize("index", ["Flat", "IVF2,Flat"])
def test_nothing_of_interest(index: str) -> None:
    nobody = torch.zeros(NUM_ITEMS, 3), torch.zeros(NUM_ITEMS, dtype=torch.bool)
    assert find({"image": nobody, "text": nobody}, [[0], [2, 3]], 3, index)[0] == [[], []]


@pytest.mark.parametrize("budget", [1, 2**30])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_blocks_of_users_that_are_computed_apart(
    make_features: Callable, cosines: Callable, budget: int, k: int
) -> None:
    features, history = make_features(), make_history(2)
    interest = InterestItems(features, matrix(history), k, budget)
    parts = interest.parts()
    assert [user for part in parts for user in range(NUM_USERS)[part]] == list(range(NUM_USERS))
    for part in reversed(parts):
        interest.keep(part, interest.compute(part))
    rowptr, items = interest.finish()
    found = [part.tolist() for part in items.split(rowptr.diff().tolist())]
    assert found == naive(cosines(features), history, k)


def test_long_sums_round_by_more_than_their_terms() -> None:
    """As those of a user with thousands of items that share a placeholder picture."""
    half, num_candidates, k = 2048, 300, 10
    c = torch.zeros(2 * half + num_candidates, 3, dtype=torch.float64)
    c[:half, 0] = c[half : 2 * half, 1] = 1
    generator = torch.Generator().manual_seed(0)
    total = torch.linspace(1.26, 1.262, num_candidates, dtype=torch.float64)
    total = total[torch.randperm(num_candidates, generator=generator)]
    first = 0.6 + 0.05 * torch.rand(num_candidates, generator=generator, dtype=torch.float64)
    rest = 1 - first**2 - (total - first) ** 2
    c[2 * half :] = torch.stack([first, total - first, rest.sqrt()], dim=1)
    features = {"image": (c.float(), torch.ones(len(c), dtype=torch.bool))}
    length = torch.arange(2 * half)
    history = Adjacency(torch.tensor([0, 2 * half]), length, torch.ones(2 * half), len(c))
    interest = InterestItems(features, history, k)
    SimilarityPass(features, SearchOptions()).run(interest)
    unit = torch.nn.functional.normalize(c.float().double())
    score = unit[: 2 * half].sum(dim=0) @ unit.t()
    expected = score.float().sort(descending=True, stable=True).indices[:k]
    assert interest.finish()[1].tolist() == expected.sort().values.tolist()
