import gc
import inspect
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, SOILGraphs, item_item
from soil_pyg.transforms import InterestGraph, SumGraph
from soil_pyg.typing import INTERACTS, SECOND_ORDER, modalities_of

NUM_USERS, NUM_ITEMS = 9, 8
K, K_I, K_A = 3, 2, 2
SIZES = {"image": 5, "text": 3, "audio": 4}
Matrix = np.ndarray


def make_data(seed: int, num_modalities: int = 2, num_users: int = NUM_USERS) -> HeteroData:
    rng = np.random.default_rng(seed)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = num_users, NUM_ITEMS
    for modality in list(SIZES)[:num_modalities]:
        x = rng.standard_normal((NUM_ITEMS, SIZES[modality])) + 0.3
        x[rng.random(NUM_ITEMS) < 0.2] = 0
        data["item"][f"x_{modality}"] = torch.from_numpy(x).float()
    interactions = rng.random((num_users, NUM_ITEMS)) < 0.3
    interactions[np.arange(num_users), rng.integers(NUM_ITEMS, size=num_users)] = True
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return data


def sym(w: Matrix, min_weight: float = 0.0) -> Matrix:
    """Normalises a matrix of users and items, or the square one of items by its row sums."""
    rows, columns = w.sum(1), w.sum(1 if w.shape[0] == w.shape[1] else 0)
    out = np.zeros_like(w)
    for i, j in zip(*np.nonzero(w), strict=True):
        out[i, j] = max(w[i, j] / np.sqrt(rows[i] * columns[j]), min_weight)
    return out


def best(values: dict[tuple, float], count: int) -> list[tuple]:
    return sorted(values, key=lambda key: (-round(values[key], 9), key))[:count]


def similarities(data: HeteroData) -> dict[str, Matrix]:
    """Returns the cosines, NaN where an item lacks the modality."""
    out = {}
    for modality in modalities_of(data):
        x = data["item"][f"x_{modality}"].double().numpy()
        with np.errstate(invalid="ignore"):
            c = x / np.linalg.norm(x, axis=1, keepdims=True)
        out[modality] = c @ c.T
    return out


def attractiveness(s: dict[str, Matrix], i: int, j: int) -> float:
    shared = [matrix[i, j] for matrix in s.values() if not np.isnan(matrix[i, j])]
    return float(np.prod(shared)) if shared else -np.inf


def second_order(s: dict[str, Matrix], history: list[list[int]], released: bool) -> Matrix:
    out = np.zeros((len(history), NUM_ITEMS))
    for u, items in enumerate(history):
        pool = {(j, i): attractiveness(s, i, j) for i in items for j in range(NUM_ITEMS)}
        pool = {entry: value for entry, value in pool.items() if value > 0}
        if released:
            for j, i in best(pool, K_A + len(items)):
                out[u, j] += pool[j, i]
        else:
            largest: dict[tuple, float] = {}
            for (j, _), value in pool.items():
                if j not in items:
                    largest[j,] = max(value, largest.get((j,), 0.0))
            for (j,) in best(largest, K_A):
                out[u, j] = largest[j,]
    return out


def interest(s: dict[str, Matrix], history: list[list[int]]) -> Matrix:
    """Returns how many users have item i and item j of interest."""
    users = np.zeros((NUM_ITEMS, NUM_ITEMS))
    for items in history:
        union: set[tuple] = set()
        for matrix in s.values():
            rows = [i for i in items if not np.isnan(matrix[i, i])]
            if rows:
                total = {(j,): matrix[rows, j].sum() for j in range(NUM_ITEMS)}
                union |= set(best({j: v for j, v in total.items() if not np.isnan(v)}, K_I))
        for i in items:
            for (j,) in union:
                users[i, j] += 1
    return users


def similar(matrix: Matrix) -> Matrix:
    out = np.zeros_like(matrix)
    for i in range(NUM_ITEMS):
        row = {(j,): matrix[i, j] for j in range(NUM_ITEMS) if not np.isnan(matrix[i, j])}
        for (j,) in best(row, K):
            out[i, j] = max(matrix[i, j], 0)
    return out


def naive(
    data: HeteroData, profile: str, min_weight: float, scale: float | None = None
) -> dict[tuple, Matrix]:
    released = profile == "released"
    scale = scale or (0.5 if released else 1.0)
    r = np.zeros((data["user"].num_nodes, NUM_ITEMS))
    r[tuple(data[INTERACTS].edge_index.numpy())] = 1
    history = [np.flatnonzero(row).tolist() for row in r]
    s = similarities(data)
    r_a = second_order(s, history, released)
    out = {USER_ITEM: sym(r) + scale * sym(r_a, min_weight)}
    out[AGGREGATION] = r + r_a
    if released:
        factor = np.array([1 / np.sqrt(d) if d > 0 else 0 for d in r_a.sum(1)])
        slip = factor[:, None] * r_a * factor[:NUM_ITEMS]
        out[AGGREGATION] = sym(r) + scale * np.where(r_a > 0, slip.clip(min=min_weight), 0)
    users = interest(s, history)
    for modality, matrix in s.items():
        weight = np.nan_to_num(matrix).clip(min=0) * (users if released else users > 0)
        out[item_item(modality)] = sym(similar(matrix), min_weight) + sym(weight, min_weight)
    return out


def make(data: HeteroData, profile: str, **options: object) -> HeteroData:
    return SOIL.graph_transform(profile, k=K, k_i=K_I, k_a=K_A, **options)(data)


def assert_equal(data: HeteroData, expected: dict[tuple, Matrix]) -> None:
    for edge_type, matrix in expected.items():
        ours = data[edge_type].adjacency.to_dense()
        ours = ours.t() if edge_type[0] == "user" else ours
        np.testing.assert_allclose(ours, matrix, atol=1e-5, err_msg=str(edge_type))


@pytest.mark.parametrize(("profile", "min_weight"), [("paper", 0.0), ("released", 1e-7)])
@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_equal_the_definitions(
    profile: str, min_weight: float, num_modalities: int, seed: int
) -> None:
    data = make_data(seed, num_modalities)
    expected = naive(data, profile, min_weight)
    assert len(expected) == 2 + num_modalities
    assert_equal(make(data, profile), expected)


@pytest.mark.parametrize(("profile", "min_weight"), [("paper", 0.0), ("released", 1e-7)])
def test_second_order_scale_leaves_the_sum_of_the_aggregation(
    profile: str, min_weight: float
) -> None:
    expected = naive(make_data(0), profile, min_weight, scale=0.3)
    assert_equal(make(make_data(0), profile, second_order_scale=0.3), expected)


@pytest.mark.parametrize("profile", ["paper", "released"])
def test_min_weight(profile: str) -> None:
    expected = naive(make_data(0), profile, min_weight=0.2)
    assert_equal(make(make_data(0), profile, min_weight=0.2), expected)


def test_aggregation_by_the_user_item_graph() -> None:
    data = make(make_data(0), "released", aggregation="sym")
    torch.testing.assert_close(
        data[AGGREGATION].adjacency.to_dense(), data[USER_ITEM].adjacency.to_dense()
    )


def test_some_modalities() -> None:
    data = make(make_data(0, 3), "paper", modalities=["audio", "image"])
    assert item_item("text") not in data.edge_types
    alone = make_data(0, 3)
    del alone["item"].x_text
    alone = make(alone, "paper")
    for edge_type in (USER_ITEM, AGGREGATION, item_item("image"), item_item("audio")):
        assert data[edge_type].adjacency.to_dense().equal(alone[edge_type].adjacency.to_dense())


def test_held_out_interactions_are_not_looked_at() -> None:
    data, other = make_data(0), make_data(0)
    other[INTERACTS].val_edge_label_index = torch.tensor([[0, 1], [1, 2]])
    other[INTERACTS].test_edge_label_index = torch.tensor([[2], [3]])
    data, other = make(data, "paper"), make(other, "paper")
    for edge_type in (USER_ITEM, AGGREGATION, item_item("image")):
        assert data[edge_type].adjacency.to_dense().equal(other[edge_type].adjacency.to_dense())


@pytest.mark.parametrize("profile", ["paper", "released"])
def test_any_memory_budget(profile: str) -> None:
    data, other = make(make_data(1), profile), make(make_data(1), profile, memory_budget=1)
    for edge_type in (USER_ITEM, AGGREGATION, item_item("text")):
        assert data[edge_type].adjacency.rowptr.equal(other[edge_type].adjacency.rowptr)
        assert data[edge_type].adjacency.col.equal(other[edge_type].adjacency.col)
        torch.testing.assert_close(
            data[edge_type].adjacency.weight, other[edge_type].adjacency.weight
        )


def test_the_paper_is_the_default() -> None:
    signature = inspect.signature(SOILGraphs).parameters
    paper = SOIL.profile_options("paper", SOILGraphs)
    assert {name: signature[name].default for name in paper} == paper
    assert str(SOIL.graph_transform()) == str(SOILGraphs())


def test_repr() -> None:
    assert str(SOIL.graph_transform("released", k=4, k_i=5, k_a=6, negative="keep")) == (
        "SOILGraphs(SimilarityGraph(k=4, negative='keep'), "
        "SecondOrderGraph(k_a=6, aggr='sum', exclude_interacted=False, negative='keep'), "
        "InterestGraph(k_i=5, weight_by_users=True, negative='keep'))"
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [("aggregation", "mean"), ("negative", "x"), ("k", 0), ("k_i", 0), ("k_a", 0)],
)
def test_options_out_of_range(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"'{option}'.*\(got {value!r}\)"):
        SOILGraphs(**{option: value})


def test_unknown_modalities() -> None:
    with pytest.raises(ValueError, match=r"'modalities'.*'video'.*\['image'"):
        SOILGraphs(modalities=["video"])(make_data(0))


def test_an_interest_graph_is_gone_before_the_next_is_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: dict[str, weakref.ref] = {}
    former_weights: dict[str, weakref.ref] = {}
    alive: list[list[str]] = []
    build, add = InterestGraph.build, SumGraph.forward

    def build_and_watch(self: InterestGraph, data: HeteroData, *rest: Any) -> HeteroData:
        data = build(self, data, *rest)
        names = [name for _, name, _ in data.edge_types if name.endswith("_interest")]
        matrices = {name: data["item", name, "item"].adjacency for name in names}
        held.update({name: weakref.ref(matrix.col) for name, matrix in matrices.items()})
        former_weights.update(
            {name: weakref.ref(matrix.weight) for name, matrix in matrices.items()}
        )
        return data

    def look_and_add(self: SumGraph, data: HeteroData) -> HeteroData:
        alive.append([name for name, column in held.items() if column() is not None])
        now = [name for name, weight in former_weights.items() if weight() is not None]
        # Those that are added have their normalised weights alone.
        assert now == alive[-1][1:]
        return add(self, data)

    monkeypatch.setattr(InterestGraph, "build", build_and_watch)
    monkeypatch.setattr(SumGraph, "forward", look_and_add)
    gc.disable()
    try:
        SOIL.graph_transform(k=K, k_i=K_I, k_a=K_A)(make_data(0))
    finally:
        gc.enable()
    assert alive[:2] == [["image_interest", "text_interest"], ["text_interest"]]
    assert not any(alive[2:])


def test_more_items_than_users() -> None:
    data = make_data(0, num_users=NUM_ITEMS - 1)
    with pytest.raises(ValueError, match=r"aggregation='sym_user_index'.*\(got 7 and 8\)"):
        make(data, "released")
    assert data.edge_types == [INTERACTS]
    assert AGGREGATION in make(data, "released", aggregation="sym").edge_types
    as_many = make_data(0, num_users=NUM_ITEMS)
    assert AGGREGATION in make(as_many, "released").edge_types


def test_negative_degrees_name_the_option() -> None:
    data = make_data(0)
    data["item"].x_image = torch.tensor([[1.0], [-1.0]]).repeat(NUM_ITEMS // 2, 1)
    data["item"].x_text = torch.ones(NUM_ITEMS, 1)
    data[INTERACTS].edge_index = torch.tensor([[0, 1], [0, 1]])
    with pytest.raises(ValueError, match="negative='drop'"):
        SOIL.graph_transform(k=NUM_ITEMS, negative="keep")(data)
    assert SECOND_ORDER in SOIL.graph_transform(k=NUM_ITEMS)(make_data(0)).edge_types


test_wrong_arguments = wrong_arguments("SOILGraphs")
