from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg import similar
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import ITEM
from soil_pyg.workflow.similar import similar_blocks, unit_rows


@pytest.fixture
def data(featured_data: Callable[..., HeteroData]) -> HeteroData:
    return featured_data(2)


@pytest.fixture
def trained(data: HeteroData, random_run: Callable[..., TrainedModel]) -> TrainedModel:
    return random_run(data, "bpr")


def naive(emb: Tensor, query: int, k: int) -> list[tuple[int, float]]:
    emb = emb.double()
    norm = emb.norm(dim=1)
    found = {
        other: float(emb[query] @ emb[other] / (norm[query] * norm[other]))
        for other in range(len(emb))
        if other != query and norm[other] > 0
    }
    return sorted(found.items(), key=lambda entry: (-round(entry[1], 6), entry[0]))[:k]


def assert_similar(
    frame: pd.DataFrame, ids: np.ndarray, emb: Tensor, queries: list, k: int
) -> None:
    kind = frame.columns[0]
    assert list(frame) == [kind, "rank", "similar", "score"]
    known = {name: i for i, name in enumerate(ids.tolist())}
    expected = [entry for query in queries for entry in naive(emb, known[query], k)]
    assert frame[kind].tolist() == [query for query in queries for _ in range(k)]
    assert frame["rank"].tolist() == list(range(1, k + 1)) * len(queries)
    assert frame["similar"].map(known).tolist() == [other for other, _ in expected]
    assert frame["score"].tolist() == pytest.approx([score for _, score in expected], abs=1e-6)


def test_items_like_items(trained: TrainedModel) -> None:
    queries = ["item 7", "item 0"]
    frame = similar(trained, items=queries, k=4)
    assert_similar(frame, trained.item_id, trained.item_emb, queries, 4)


def test_users_like_users(trained: TrainedModel) -> None:
    frame = similar(trained, users=[40], k=3)
    assert_similar(frame, trained.user_id, trained.user_emb, [40], 3)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_tiny_and_huge_vectors_have_directions(scale: float) -> None:
    unit, norm = unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]) * scale)
    assert unit.tolist() == [pytest.approx([0.6, 0.8]), [0.0, 0.0]]
    assert norm.tolist() == pytest.approx([5 * scale, 0.0])


def test_everything_in_blocks(trained: TrainedModel) -> None:
    blocks = list(similar_blocks(trained, items="all", k=2, memory_budget=2**12))
    assert len(blocks) > 3
    frame = pd.concat(blocks, ignore_index=True)
    assert_similar(frame, trained.item_id, trained.item_emb, trained.item_id.tolist(), 2)


def test_equal_items_come_by_their_position(trained: TrainedModel) -> None:
    trained.item_emb[[4, 9, 21]] = trained.item_emb[15] * 2
    frame = similar(trained, items=["item 15"], k=3)
    assert frame["similar"].tolist() == ["item 4", "item 9", "item 21"]
    assert frame["score"].tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("is_sparse", [False, True])
def test_multiples_of_a_row_have_equal_unit_rows(is_sparse: bool) -> None:
    # Their products are exact: the integers have few bits.
    generator = torch.Generator().manual_seed(0)
    row = torch.randint(-99, 99, (500, 1, 7), generator=generator)
    emb = (row * torch.arange(1, 30).view(-1, 1)).float() * 2.0**-90
    unit, _ = unit_rows(emb.flatten(0, 1).to_sparse() if is_sparse else emb.flatten(0, 1))
    unit = unit.to_dense().view(emb.size())
    assert torch.equal(unit, unit[:, :1].expand_as(unit))
    assert unit.norm(dim=2).amin() > 0.999999


def test_cosines_are_at_most_one(trained: TrainedModel) -> None:
    trained.item_emb[:] = trained.item_emb[15] * torch.arange(1, 26).view(-1, 1) / 7
    assert similar(trained, items="all", k=24)["score"].between(-1, 1).all()


def test_by_the_features_of_a_modality(trained: TrainedModel, data: HeteroData) -> None:
    """Items 3 and 20 have no image."""
    frame = similar(trained, items=["item 7"], k=22, by="image", data=data)
    assert_similar(frame, trained.item_id, data[ITEM].x_image, ["item 7"], 22)
    assert not {"item 3", "item 20"} & set(frame["similar"])
    for kind in (list, np.array, pd.Series, pd.Index):
        with pytest.raises(ValueError, match=r"'items'.*'item 20'.*'image'"):
            similar(trained, items=kind(["item 7", "item 20"]), by="image", data=data)
    assert similar(trained, items="all", by="image", data=data)["item"].nunique() == 23
    assert similar(trained, items=["item 20"], by="text", data=data)["item"].nunique() == 1


def test_sparse_embeddings(
    data: HeteroData, random_run: Callable[..., TrainedModel], tmp_path: Path
) -> None:
    trained = random_run(data, "itemknn")
    assert trained.item_emb.is_sparse
    frame = similar(trained, items=["item 7"], k=3)
    assert_similar(frame, trained.item_id, trained.item_emb.to_dense(), ["item 7"], 3)
    users = similar(trained, users=[0], k=3)
    assert_similar(users, trained.user_id, trained.user_emb.to_dense(), [0], 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "'items'.*'users'"),
        ({"items": ["item 1"], "users": [10]}, "'items'.*'users'"),
        ({"items": ["tea"]}, "'items'.*'tea'"),
        ({"users": [11]}, "'users'.*'11'"),
        ({"users": [10], "by": "image"}, r"'by'.*'users'.*\(got 'image'\)"),
        ({"items": ["item 1"], "k": 0}, r"'k'.*\(got 0\)"),
        ({"items": ["item 1"], "by": "sound"}, r"'by'.*image, text.*\(got 'sound'\)"),
    ],
)
def test_wrong_arguments(
    trained: TrainedModel, data: HeteroData, options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        similar_blocks(trained, data=data, **options)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_unit_rows(is_sparse: bool) -> None:
    emb = torch.tensor([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0], [0.0, -2.0, 0.0]])
    unit, norm = unit_rows(emb.to_sparse() if is_sparse else emb)
    expected = torch.tensor([[0.6, 0.0, 0.8], [0.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    assert torch.equal(unit.to_dense(), expected)
    assert norm.tolist() == [5, 0, 2]
