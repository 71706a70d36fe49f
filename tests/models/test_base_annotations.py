from __future__ import annotations

from typing import Any

from torch_geometric.transforms import BaseTransform

from soil_pyg.models import BPR


class Link(BaseTransform):
    def __init__(self, k: int = 3) -> None:
        self.k = k


class Mine(BPR):
    @classmethod
    def graphs(cls, **options: Any) -> Link:
        return Link(**options)


def test_annotations_may_be_strings() -> None:
    parameter = Mine.graph_parameters()["k"]
    assert parameter.annotation is int
    assert parameter.default == 3
