from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.speed import agreement, naive, naive_graphs
from soil_bench.speed.agreement import are_equally_good, compare, tied
from soil_bench.speed.inputs import save_graphs, save_matrices
from soil_bench.speed.naive_graphs import items_of_interest, sparse, unit
from soil_bench.speed.workloads import OPTIONS
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import item_item
from soil_pyg.typing import INTERACTS


@pytest.fixture(scope="module")
def drawn() -> HeteroData:
    sizes = {"num_users": 60, "num_items": 40, "interactions_per_user": 8.0}
    return SyntheticMultimodal(**sizes, modalities={"image": 12, "smell": 5})[0]


def test_both_make_the_same_graphs(drawn: HeteroData, tmp_path: Path) -> None:
    files = str(tmp_path / "fast"), str(tmp_path / "naive")
    data = SOIL.graph_transform("released", **OPTIONS)(drawn.clone())
    save_graphs(data, files[0])
    matrices = naive.graphs(drawn, **OPTIONS)
    save_matrices(matrices, files[1])
    found = compare(*files)
    assert sorted(found["graphs"]) == sorted(matrices)
    for graph in found["graphs"].values():
        assert graph["differing"] == 0
        assert graph["entries"] > 100
        assert graph["largest"] < 1e-6
    assert found["embeddings"] < 1e-6
    # Users 26 and 57 have two entries of the same value at the cut.
    assert found["tied_users"] <= 2
    assert found["tied_interest"] == 0
    assert found["graphs"]["image_item_item"]["left_out"] == 0

    data[item_item("image")].adjacency.weight[3] += 0.1
    save_graphs(data, files[0])
    graph = compare(*files)["graphs"]["image_item_item"]
    assert graph["differing"] == 1
    assert graph["largest"] == pytest.approx(0.1, rel=1e-4)


def test_only_a_tie_excuses_another_choice(drawn: HeteroData) -> None:
    expected = naive.graphs(drawn, **OPTIONS)["aggregation"]
    for user, num_tied in {0: 0, 26: 1}.items():
        entry = int((expected.indices()[0] == user).nonzero()[1])
        change = torch.zeros_like(expected.values())
        change[entry] = 0.1
        found = sparse(expected.indices(), expected.values() + change, tuple(expected.size()))
        users, items = tied(drawn, found, expected)
        assert users.tolist() == [user] * num_tied
        assert items.tolist() == [int(expected.indices()[1, entry])] * num_tied


def nearly_tied(drawn: HeteroData, gap: float) -> tuple[HeteroData, list[int], set[int]]:
    """Makes an item as good as the last of interest to user 0, but for a gap relative to it.

    Returns the data, the user's items, and the two items.
    """
    data = drawn.clone()
    del data["item"].x_smell
    user, item = data[INTERACTS].edge_index
    items = item[user == 0]
    c = unit(data["item"].x_image, "image").double()
    query = c[items].sum(dim=0)
    order = (c @ query).argsort(descending=True)
    last = int(order[OPTIONS["k_i"] - 1])
    other = next(i for i in order[OPTIONS["k_i"] :].tolist() if i not in items)
    wanted = float(c[last] @ query) * (1 - gap)
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        mixed = torch.nn.functional.normalize(c[other] + share * query, dim=0)
        low, high = (share, high) if float(mixed @ query) < wanted else (low, share)
    data["item"].x_image[other] = mixed.float()
    return data, items.tolist(), {last, other}


@pytest.mark.parametrize(("gap", "is_tie"), [(3e-6, True), (1e-3, False)])
def test_only_a_tie_excuses_other_items_of_interest(
    drawn: HeteroData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gap: float, is_tie: bool
) -> None:
    data, items, two = nearly_tied(drawn, gap)
    files = str(tmp_path / "fast"), str(tmp_path / "naive")
    graphs = SOIL.graph_transform("released", **OPTIONS)(data.clone())
    save_graphs(graphs, files[0])

    def other_of_two(c: Tensor, history: list[int], k_i: int) -> set[int]:
        chosen = items_of_interest(c, history, k_i)
        assert history != items or len(chosen & two) == 1
        return chosen ^ two if history == items else chosen

    save_matrices(naive.graphs(data, **OPTIONS), files[1])
    assert compare(*files)["graphs"]["image_item_item"]["differing"] == 0
    monkeypatch.setattr(naive_graphs, "items_of_interest", other_of_two)
    monkeypatch.setattr(agreement, "items_of_interest", other_of_two)
    save_matrices(naive.graphs(data, **OPTIONS), files[1])
    found = compare(*files)
    graph = found["graphs"]["image_item_item"]
    if not is_tie:
        assert (found["tied_interest"], graph["left_out"]) == (0, 0)
        assert graph["differing"] >= 2 * len(items)
        return
    assert (found["tied_interest"], graph["differing"]) == (1, 0)
    assert graph["left_out"] > 2 * len(items)
    assert graph["entries"] > graph["left_out"]

    # What has nothing to do with the user's items still differs.
    adjacency = graphs[item_item("image")].adjacency
    free = ~torch.isin(torch.stack([adjacency.row(), adjacency.col]), torch.tensor(items)).any(0)
    adjacency.weight[free.nonzero()[0]] += 0.1
    save_graphs(graphs, files[0])
    assert compare(*files)["graphs"]["image_item_item"]["differing"] == 1


def test_equally_good_items() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0], [4.0, 3.0], [4.0, 3.0002], [4.0, 3.1]])
    c, items = unit(x, "image"), torch.tensor([0, 1])
    assert are_equally_good(c, items, {2, 3, 4})
    assert are_equally_good(c, items, set())
    assert not are_equally_good(c, items, {3, 5})
    assert not are_equally_good(c, items, {0, 2})
