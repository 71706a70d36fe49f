"""Runs unlike that of the shop: an approximate index, no titles, no graphs, other models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg import add_users, explain, load, recommend, similar, train
from soil_pyg.datasets.data_folder import save_data_folder
from soil_pyg.datasets.ids import find_ids
from soil_pyg.nn import LightConv, LightPropagation
from soil_pyg.ranking.item_index import ItemIndex
from soil_pyg.serving.graph_answers import UnavailableError
from soil_pyg.serving.served_run import ServedRun
from soil_pyg.transforms import NormalizeGraph
from soil_pyg.typing import ITEM, USER


@pytest.fixture
def run_of(data_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Trains a model on the data folder."""

    def make(model: str, **options: object) -> Path:
        small = {} if model in ("popularity", "itemknn") else {"epochs": 1, "hidden_channels": 4}
        given = {"progress": False, "device": "cpu", **small, **options}
        train(data_folder, tmp_path / model, model, **given)
        return tmp_path / model

    return make


def ranking(
    run: ServedRun, frame: pd.DataFrame, column: str
) -> list[tuple[list[int], list[float]]]:
    """Returns the lists of a table of a verb, by position."""
    first = frame.columns[0]
    kind = ITEM if column == "item" or first == "item" else USER
    return [
        ([run.ids[kind].find(str(i)) for i in rows[column]], rows["score"].tolist())
        for _, rows in frame.groupby(first, sort=False)
    ]


MODELS = pytest.mark.parametrize("model", ["popularity", "itemknn", "soil", "vbpr"])


def small(model: str) -> dict[str, int]:
    return {"k": 3, "k_i": 3} if model == "soil" else {}


@MODELS
def test_answers_are_those_of_the_verbs(run_of: Callable[..., Path], model: str) -> None:
    folder = run_of(model, **small(model))
    run = ServedRun(folder)
    assert run.titles is None
    users = torch.tensor([3, 0, 7])
    found = run.recommend(users, 5, "all").result()
    assert found == ranking(run, recommend(folder, run.trained.user_id[users], k=5), "item")
    found = run.similar(ITEM, users, 4).result()
    expected = similar(folder, items=run.trained.item_id[users], k=4)
    assert [pair for pair in found if pair[0]] == ranking(run, expected, "similar")


@MODELS
def test_lists_of_the_shop_and_of_a_request_add_up(run_of: Callable[..., Path], model: str) -> None:
    folder = run_of(model, **small(model))
    run, users, ids = ServedRun(folder), torch.tensor([3, 0, 7]), load(folder).item_id
    first, second, new = ids[:9], ids[[2, 5, 11]], np.array([-1]).astype(ids.dtype)
    kinds: list[dict[str, Any]] = [{"deny": first}, {"allow": first}, {}]
    for shop in kinds:
        # The shop may have items that the run lacks.
        run.offer({f"{n}_file": np.concatenate([x, new]) for n, x in shop.items()})
        for own in [{}, {"deny": second}, {"allow": second}]:
            given = {n: torch.from_numpy(find_ids(x, ids)) for n, x in own.items()}
            found = run.recommend(users, 5, "all", **given).result()
            deny = [*shop.get("deny", []), *own.get("deny", [])]
            allowed = [x["allow"].tolist() for x in (shop, own) if "allow" in x]
            allow = [i for i in allowed[0] if i in allowed[-1]] if allowed else None
            frame = recommend(folder, run.trained.user_id[users], 5, allow=allow, deny=deny)
            assert [pair for pair in found if pair[0]] == ranking(run, frame, "item")


def test_similar_by_a_modality(run_of: Callable[..., Path]) -> None:
    folder = run_of("vbpr")
    run, rows = ServedRun(folder), torch.tensor([4, 1])
    for modality in run.trained.model.in_channels:
        expected = similar(folder, items=run.trained.item_id[rows], k=4, by=modality)
        found = run.similar(ITEM, rows, 4, modality).result()
        assert found == ranking(run, expected, "similar")
        x = run._data[ITEM][f"x_{modality}"]
        for lacking in (x == 0).all(dim=1).nonzero()[:1]:
            with pytest.raises(ValueError, match=f"no features of '{modality}'"):
                run.similar(ITEM, lacking, 4, modality)


def test_a_final_run_is_explained(run_of: Callable[..., Path], data_folder: Path) -> None:
    validated = run_of("lightgcn")
    final = validated.with_name("final")
    train(data_folder, final, final=validated, progress=False, device="cpu")
    run = ServedRun(final)
    user, item = run.trained.user_id[2], run.trained.item_id[5]
    expected = explain(final, user, item)
    found = run.of_graphs.explain(2, 5)
    pd.testing.assert_frame_equal(found.parts, expected.parts)
    found = run.recommend_to_new([1, 4], 5, "all").result()
    bought = pd.DataFrame({"user": ["zoe"] * 2, "item": run.trained.item_id[[1, 4]]})
    expected = recommend(add_users(final, None, bought), ["zoe"], k=5)
    assert found == ranking(run, expected, "item")


def test_an_approximate_index_is_searched(
    run_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    folder = run_of("bpr")
    run = ServedRun(folder)
    index = ItemIndex.build(run.trained, "IVF2,Flat")
    assert index is not None
    index.save(run.trained)
    searched = []
    search = ItemIndex.search
    monkeypatch.setattr(
        ItemIndex, "search", lambda self, *given: searched.append(1) or search(self, *given)
    )
    found = ServedRun(folder).recommend(torch.tensor([3]), 5, "all").result()
    assert searched
    expected = recommend(folder, run.trained.user_id[[3]], k=5, index=True)
    assert found == ranking(run, expected, "item")
    searched.clear()
    # A choice of items is ranked exactly, as by the verb.
    user, deny = run.trained.user_id[[3]], run.trained.item_id[:4]
    expected = ranking(run, recommend(folder, user, k=5, deny=deny), "item")
    served = ServedRun(folder)
    given = torch.tensor([3]), 5, "all", None
    assert served.recommend(*given, deny=torch.arange(4)).result() == expected
    served.offer({"deny_file": deny})
    assert served.recommend(*given).result() == expected
    assert not searched
    ServedRun(folder, exact=True).recommend(torch.tensor([3]), 5, "all").result()
    assert not searched


def test_what_is_known_is_computed_once(
    run_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ServedRun(run_of("lightgcn"))
    before = run.recommend_to_new([1, 4], 5, "all").result()

    def fail(*_: object) -> None:
        raise AssertionError("the graph is propagated or normalised again")

    monkeypatch.setattr(LightPropagation, "forward", fail)
    monkeypatch.setattr(LightPropagation, "__call__", fail)
    monkeypatch.setattr(NormalizeGraph, "forward", fail)
    monkeypatch.setattr(LightConv, "forward", fail)
    assert run.recommend_to_new([1, 4], 5, "all").result() == before
    assert run.recommend_to_new([2], 5, "all").result() != before


@pytest.mark.parametrize(("model", "graphs"), [("lightgcn", False), ("vbpr", True)])
def test_what_a_run_cannot_answer(run_of: Callable[..., Path], model: str, graphs: bool) -> None:
    run = ServedRun(run_of(model), graphs=graphs)
    with pytest.raises(UnavailableError, match="decompose" if graphs else "--no-graphs"):
        run.of_graphs.explain(0, 0)
    if not graphs:
        with pytest.raises(UnavailableError, match="--no-graphs"):
            run.recommend_to_new([0], 3, "all")


def test_other_data_is_refused(
    run_of: Callable[..., Path], tmp_path: Path, random_data: Callable[..., HeteroData]
) -> None:
    (tmp_path / "other").mkdir()
    save_data_folder(tmp_path / "other", random_data(seed=3), None, {})
    with pytest.raises(ValueError, match="is not the data"):
        ServedRun(run_of("bpr"), tmp_path / "other")
