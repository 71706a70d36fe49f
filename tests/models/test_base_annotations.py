from __future__ import annotations

from typing import Any

from torch_geometric.transforms import BaseTransform

from soil_pyg.models import BPR


class Link(BaseTransform):
    def __init__(self, k: int = 3) -> None:
        self.k = k


class Mine(BPR):
    def __init__(self, num_users: int, num_items: int, depth: int = 2) -> None:
        super().__init__(num_users, num_items)

    @classmethod
    def graph_transform(cls, **options: Any) -> Link:
        return Link(**options)


def test_annotations_may_be_strings() -> None:
    parameter = Mine.graph_transform_parameters()["k"]
    assert parameter.annotation is int
    assert parameter.default == 3
    assert Mine.model_parameters()["depth"].annotation == "int"
    assert Mine.model_parameters(eval_str=True)["depth"].annotation is int
