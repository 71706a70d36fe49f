"""Shared parts of the transforms whose graphs come from similarities of features."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform
from typing_extensions import Unpack

from soil_pyg.ops.collector import Collector, Features
from soil_pyg.ops.ragged import trim_heap
from soil_pyg.ops.search_options import SearchKwargs, SearchOptions
from soil_pyg.ops.similarity_pass import SimilarityPass
from soil_pyg.typing import FEATURE_PREFIX, modalities_of
from soil_pyg.utils.checks import check_choice, check_string, check_strings
from soil_pyg.utils.data_checks import check_features
from soil_pyg.utils.hetero import check_hetero

Gathered = TypeVar("Gathered", bound=Collector)


class SimilarityTransform(BaseTransform, Generic[Gathered]):
    """Base class of transforms whose graphs come from the similarities of all items."""

    def __init__(
        self,
        modalities: list[str] | None,
        negative: str,
        item_type: str,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        check_choice("negative", negative, ("drop", "keep"))
        check_string("node_type", item_type)
        if modalities is not None:
            check_strings("modalities", modalities)
        self.modalities = modalities
        self.negative = negative
        self.item_type = item_type
        self.search_options = SearchOptions(**search_options)

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        features = unit_features(data, self.modalities, self.item_type)
        return build_in_one_pass(data, features, [self], self.search_options)

    @abstractmethod
    def collector(self, data: HeteroData, features: Features) -> Gathered:
        """Returns the collector that gathers similarities for the graphs."""

    @abstractmethod
    def build(self, data: HeteroData, features: Features, collector: Gathered) -> HeteroData:
        """Adds the graphs to the data, from a collector that has been filled."""


def build_in_one_pass(
    data: HeteroData,
    features: Features,
    transforms: Sequence[SimilarityTransform[Any]],
    search_options: SearchOptions,
) -> HeteroData:
    """Adds the graphs of several transforms to the data, made in one pass over the similarities."""
    collectors = [transform.collector(data, features) for transform in transforms]
    similarities = SimilarityPass(features, search_options)
    similarities.run(*collectors)
    for transform in transforms:
        if not similarities.is_exact:
            # The exact comparison of few items sets the peak of memory anyway.
            trim_heap()
        # A collector is freed once its graph is built.
        data = transform.build(data, features, collectors.pop(0))
    return data


def unit_features(
    data: HeteroData, modalities: list[str] | None, node_type: str
) -> dict[str, tuple[Tensor, Tensor]]:
    r"""Returns :math:`\mathbf{c}_{m,i} = \mathbf{x}_{m,i} / \|\mathbf{x}_{m,i}\|` and the mask of
    the nodes that have the modality, by modality (:obj:`None` for all of them).

    Raises:
        ValueError: If there is no modality, one is unknown, or a feature is not finite.
    """
    check_hetero(data)
    present = modalities_of(data, node_type)
    names = present if modalities is None else list(modalities)
    if len(names) == 0:
        raise ValueError(
            f"the nodes {node_type!r} have no features {FEATURE_PREFIX}*: "
            "at least one modality is needed"
        )
    out = {}
    for name in names:
        if name not in present:
            raise ValueError(f"'modalities' names {name!r}, but the data has {present}")
        x = check_features(data, name, node_type).float()
        norm = torch.linalg.vector_norm(x, dim=1).double()
        # The squares of very large or small norms leave the range of single precision.
        extreme = ~((norm > 1e-15) & (norm < 1e15))
        norm[extreme] = torch.linalg.vector_norm(x[extreme], dim=1, dtype=torch.float64)
        if not torch.isfinite(norm).all():
            node = int((~torch.isfinite(norm)).nonzero()[0])
            raise ValueError(
                f"'{FEATURE_PREFIX}{name}' of {node_type!r} must be within the range of single "
                f"precision: that of node {node} is not"
            )
        has = norm > 0
        out[name] = (x / norm.where(has, 1.0).unsqueeze(1).float(), has)
    return out
