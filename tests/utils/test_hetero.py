import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from soil_pyg import models
from soil_pyg.ranking import Evaluator, evaluate_groups
from soil_pyg.testing.small_data import small_data
from soil_pyg.training import PartitionLoader, Trainer, TripletLoader
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.hetero import check_hetero, has_edges

HOMOGENEOUS = Data(x=torch.ones(4, 2), edge_index=torch.tensor([[0, 1], [2, 3]]))
REFUSED = r"'data' must be HeteroData .*\(got Data\(.*to_heterogeneous"
MODELS = [
    value
    for value in vars(models).values()
    if inspect.isclass(value)
    and issubclass(value, models.Recommender)
    and not inspect.isabstract(value)
]
WITHOUT_DATA = {models.BPR, models.Popularity}
"""Models whose tables are made of their weights alone."""


def make_model(model_class: Any) -> Any:
    return model_class.from_data(small_data({"image": 5}))


CALLS: dict[str, Callable[[], Any]] = {
    "check_hetero": lambda: check_hetero(HOMOGENEOUS),
    "count_nodes": lambda: count_nodes(HOMOGENEOUS, "user"),
    "evaluate": lambda: Evaluator().evaluate(make_model(models.BPR), HOMOGENEOUS),
    "evaluate_groups": lambda: evaluate_groups(Evaluator(), make_model(models.BPR), HOMOGENEOUS),
    "fit": lambda: Trainer(epochs=1).fit(make_model(models.BPR), HOMOGENEOUS),
    "has_edges": lambda: has_edges(HOMOGENEOUS, INTERACTS),
    "partitions": lambda: PartitionLoader(HOMOGENEOUS, 2, 4),
    "triplets": lambda: TripletLoader(HOMOGENEOUS),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_homogeneous_graph_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        CALLS[name]()


@pytest.mark.parametrize("model_class", MODELS)
def test_models_refuse_a_homogeneous_graph(model_class: type[models.Recommender]) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        model_class.from_data(HOMOGENEOUS)
    if model_class not in WITHOUT_DATA:
        with pytest.raises(ValueError, match=REFUSED):
            make_model(model_class)(HOMOGENEOUS)


def test_a_look_adds_no_type() -> None:
    data = small_data({"image": 5})
    types = data.edge_types
    assert has_edges(data, INTERACTS)
    assert not has_edges(data, INTERACTS, "adjacency")
    assert not has_edges(data, ("item", "unknown", "item"))
    assert data.edge_types == types
