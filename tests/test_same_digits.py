"""No digit depends on the memory budget, the number of threads or the library that multiplies."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import (
    DAMRS,
    DRAGON,
    FREEDOM,
    GUME,
    LATTICE,
    MGCN,
    MMGF,
    PGL,
    SMORE,
    SOIL,
    DualGNN,
    ItemKNN,
)
from soil_pyg.models.newcomers import nearest_known
from soil_pyg.nn import KNN, Adjacency, LearnedGraph
from soil_pyg.ops import matmul
from soil_pyg.ranking import Evaluator
from soil_pyg.ranking.tables import Ranking
from soil_pyg.transforms import InterestGraph, SecondOrderGraph, SimilarityGraph
from soil_pyg.typing import INTERACTS, ITEM, USER

NUM_USERS, NUM_ITEMS = 30, 120
CHANNELS = {"image": 300, "text": 20}
"""Sums of 300 numbers differ between libraries, sums of 20 do not."""

SETTINGS = [
    (2**30, 1, False),
    (2**30, 2, True),
    (2**17, 4, False),
    (2**15, 1, True),
    (1, 1, True),
]
"""The budget in bytes, the number of threads and whether oneDNN multiplies where it can."""


def adversarial(num_rows: int, channels: int, seed: int) -> Tensor:
    """Rows of which some are equal, zero, or one unit in the last place apart."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(num_rows, channels, generator=generator)
    step = max(1, num_rows // 8)
    for begin in range(step, 3 * step):
        x[begin] = x[begin % step]
    for begin in range(3 * step, 6 * step):
        x[begin] = x[begin % step]
        place = begin % channels
        x[begin, place] = torch.nextafter(x[begin, place], torch.tensor(torch.inf))
    x[6 * step :: 5] = 0
    return x


@cache
def make_data() -> HeteroData:
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(NUM_ITEMS)[: rng.integers(3, 9)] for _ in range(NUM_USERS)]
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    pairs = [(user, item) for user, items in enumerate(chosen) for item in items]
    data[INTERACTS].edge_index = torch.tensor(pairs).t().contiguous()
    held_out = [(u, i) for u in range(NUM_USERS) for i in range(u % 4, NUM_ITEMS, 9)]
    held_out = sorted(set(held_out) - set(pairs))
    data[INTERACTS].val_edge_label_index = torch.tensor(held_out).t().contiguous()
    for seed, (modality, channels) in enumerate(CHANNELS.items()):
        data[ITEM][f"x_{modality}"] = adversarial(NUM_ITEMS, channels, seed)
    return data


def tensors_of(data: HeteroData) -> list[Tensor]:
    out = []
    for store in data.edge_stores:
        for _, value in sorted(store.items()):
            if isinstance(value, Adjacency):
                out += [value.rowptr, value.col, value.weight]
            elif isinstance(value, Tensor):
                out.append(value)
    return out


def graph(make: Callable[..., Any], **options: Any) -> Callable[[int], list[Tensor]]:
    def build(memory_budget: int) -> list[Tensor]:
        return tensors_of(make(memory_budget=memory_budget, **options)(make_data()))

    return build


def learned(memory_budget: int) -> list[Tensor]:
    data = make_data()
    x = {m: data[ITEM][f"x_{m}"].clone().requires_grad_() for m in CHANNELS}
    has = {m: y.detach().norm(dim=1) > 0 for m, y in x.items()}
    graphs = LearnedGraph(memory_budget=memory_budget)
    weight = torch.tensor([0.7, 0.3], requires_grad=True)
    out = graphs({m: (x[m], has[m]) for m in CHANNELS}, weight)
    return [out.rowptr, out.col, out.weight.detach()]


def new_items(memory_budget: int) -> list[Tensor]:
    out = []
    for modality, channels in CHANNELS.items():
        query = adversarial(50, channels, seed=7)
        near = nearest_known(make_data(), {modality: query}, 5, memory_budget)[modality]
        out += [near.rowptr, near.col, near.weight]
        # The answer for an item does not depend on the others.
        alone = nearest_known(make_data(), {modality: query[20:21]}, 5, memory_budget)[modality]
        begin, end = near.rowptr[20:22].tolist()
        assert near.col[begin:end].tolist() == alone.col.tolist()
        assert near.weight[begin:end].tolist() == alone.weight.tolist()
    return out


def knn(use_faiss: bool) -> Callable[[int], list[Tensor]]:
    def search(memory_budget: int) -> list[Tensor]:
        out: list[Tensor] = []
        for channels in CHANNELS.values():
            candidates, query = (adversarial(n, channels, seed=3) for n in (NUM_ITEMS, 70))
            search = KNN(candidates, use_faiss=use_faiss, memory_budget=memory_budget)
            values, ids = search.search(query, 9)
            for rows in (slice(0, 1), slice(30, 70)):
                some = search.search(query[rows], 9)
                assert some[0].equal(values[rows])
                assert some[1].equal(ids[rows])
            assert (values.diff(dim=1) <= 0).all()
            assert search.find(query, 9).sort().values.equal(ids.sort().values)
            out += [values, ids]
        return out

    return search


class Tables(torch.nn.Module):
    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return adversarial(NUM_USERS, 300, seed=4), adversarial(NUM_ITEMS, 300, seed=5)


def metrics(memory_budget: int) -> list[Tensor]:
    evaluator = Evaluator((1, 5, 40), memory_budget)
    found = evaluator.evaluate_per_user(Tables(), make_data())
    return [torch.from_numpy(values) for values in found.values()]


def recommended(memory_budget: int) -> list[Tensor]:
    data, model = make_data(), Tables()
    user_emb, item_emb = model(data)
    ranking = Ranking(
        *(user_emb, item_emb, torch.arange(NUM_USERS), data[INTERACTS].edge_index),
        *(np.arange(NUM_USERS), np.arange(NUM_ITEMS)),
    )
    frames = list(ranking.frames(8, memory_budget))
    columns = [np.concatenate([frame[name] for frame in frames]) for name in frames[0]]
    return [torch.from_numpy(column) for column in columns]


def sparse_scores(memory_budget: int) -> list[Tensor]:
    data = ItemKNN.graph_transform(memory_budget=memory_budget)(make_data())
    evaluator, model = Evaluator((5,), memory_budget), ItemKNN(NUM_USERS, NUM_ITEMS)
    found = evaluator.evaluate_per_user(model, data)
    ranked = evaluator.rank(*model(data), data, torch.arange(NUM_USERS), 7)
    return [*(torch.from_numpy(values) for values in found.values()), *ranked]


COMPUTATIONS: dict[str, Callable[[int], list[Tensor]]] = {
    "SimilarityGraph": graph(SimilarityGraph),
    "SimilarityGraph, k=60": graph(SimilarityGraph, k=60, negative="keep"),
    **{
        f"SecondOrderGraph, {aggr}, {excluded}": graph(
            SecondOrderGraph, k_a=3, aggr=aggr, exclude_interacted=excluded
        )
        for aggr in ("max", "sum")
        for excluded in (True, False)
    },
    "SecondOrderGraph, keep": graph(SecondOrderGraph, k_a=30, negative="keep"),
    "InterestGraph": graph(InterestGraph),
    "InterestGraph, keep": graph(InterestGraph, k_i=3, weight_by_users=True, negative="keep"),
    "SOIL": graph(SOIL.graphs),
    "SOIL, released": graph(SOIL.graphs, profile="released", negative="drop", aggregation="sum"),
    "DRAGON": graph(DRAGON.graph_transform, user_k=3),
    "DualGNN": graph(DualGNN.graph_transform),
    "DAMRS": graph(DAMRS.graph_transform),
    "FREEDOM": graph(FREEDOM.graph_transform),
    "GUME": graph(GUME.graph_transform),
    "LATTICE": graph(LATTICE.graph_transform),
    "MGCN": graph(MGCN.graph_transform),
    "SMORE": graph(SMORE.graph_transform),
    "PGL": graph(PGL.graph_transform, mode="global"),
    "MMGF": graph(MMGF.graph_transform, k=7, quadratic=0.1),
    "LearnedGraph": learned,
    "new items": new_items,
    "KNN": knn(False),
    "Evaluator": metrics,
    "recommend": recommended,
    "ItemKNN": sparse_scores,
}


@contextmanager
def settings(threads: int, onednn: bool) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(matmul, "PREFERS_ONEDNN", onednn and matmul.PREFERS_ONEDNN)
            yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_same_digits(name: str) -> None:
    expected = None
    for memory_budget, threads, onednn in SETTINGS:
        with settings(threads, onednn):
            found = COMPUTATIONS[name](memory_budget)
        expected = found if expected is None else expected
        assert len(found) == len(expected)
        for mine, other in zip(found, expected, strict=True):
            assert torch.equal(mine, other), (memory_budget, threads, onednn)


@pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")
@pytest.mark.parametrize("memory_budget", [1, 2**16, 2**30])
def test_faiss_finds_the_same(memory_budget: int) -> None:
    expected = knn(False)(2**30)
    for mine, other in zip(knn(True)(memory_budget), expected, strict=True):
        assert torch.equal(mine, other)
