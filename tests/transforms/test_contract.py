"""What every transform of the package has to do, whatever it builds."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from soil_pyg import transforms
from soil_pyg.testing import TRANSFORM_RULES, check_transform
from soil_pyg.transforms import ConsistentGraph, SimilarityGraph
from soil_pyg.typing import INTERACTS

SIMILAR = ("item", "image_similar", "item")


class Case(NamedTuple):
    transform: str
    options: dict[str, Any]
    before: Callable[..., Any] | None = None


CASES = {
    "co_occurrence": Case("CoOccurrenceGraph", {"k": 3}),
    "co_occurrence_users": Case("CoOccurrenceGraph", {"k": 3, "nodes": "source"}),
    "consistent": Case("ConsistentGraph", {"k": 3}),
    "interest": Case("InterestGraph", {"k_i": 2}),
    "normalize": Case("NormalizeGraph", {"edge_types": [INTERACTS, SIMILAR]}, SimilarityGraph(3)),
    "second_order": Case("SecondOrderGraph", {}),
    "similarity": Case("SimilarityGraph", {"k": 3}),
    "sum": Case(
        "SumGraph",
        {
            "terms": {SIMILAR: "edge_weight", ("item", "image_consistent", "item"): None},
            "out": ("item", "sum", "item"),
        },
        Compose([SimilarityGraph(3), ConsistentGraph(3)]),
    ),
    "to_adjacency": Case("ToAdjacency", {"edge_types": [SIMILAR]}, SimilarityGraph(3)),
    "user": Case("UserGraph", {"user_k": 3}),
}


def test_every_transform_is_covered() -> None:
    assert {case.transform for case in CASES.values()} == set(transforms.__all__)


@pytest.mark.parametrize("rule", TRANSFORM_RULES)
@pytest.mark.parametrize("name", list(CASES))
def test_transforms_keep_the_contract(name: str, rule: str) -> None:
    transform, options, before = CASES[name]
    check_transform(getattr(transforms, transform), options, before=before, rules=[rule])


@pytest.mark.parametrize("name", list(CASES))
def test_transforms_refuse_a_homogeneous_graph(name: str) -> None:
    transform, options, _ = CASES[name]
    data = Data(x=torch.ones(4, 2), edge_index=torch.tensor([[0, 1], [2, 3]]))
    with pytest.raises(ValueError, match=r"'data' must be HeteroData .*to_heterogeneous"):
        getattr(transforms, transform)(**options)(data)
