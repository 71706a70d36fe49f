"""Arguments of a wrong kind or out of range, which every public class and function refuses.

The wrong values of an argument follow from its annotation. A class of :data:`ROOMS` without a case
fails, and so does an argument with an annotation that :data:`WRONG` lacks.
"""

import inspect
import math
import os
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.typing import EdgeType

from soil_pyg import datasets, encoders, models, nn, transforms
from soil_pyg.models.damrs_graphs import DAMRSGraphs
from soil_pyg.models.dragon import DRAGONGraphs
from soil_pyg.models.freedom import FREEDOMGraphs
from soil_pyg.models.gume_graphs import GUMEGraphs
from soil_pyg.models.lattice import LATTICEGraphs
from soil_pyg.models.mgcn import MGCNGraphs
from soil_pyg.models.mmgf_graphs import MMGFGraphs
from soil_pyg.models.pgl_graphs import PGLGraphs
from soil_pyg.models.smore_graphs import SMOREGraphs
from soil_pyg.models.soil_graphs import SOILGraphs

ROOMS = (datasets, encoders, models, nn, transforms)
INTERACTS = ("user", "interacts", "item")
READ_FILES = {
    *("Amazon", "HeteroDataset", "MovieLens", "MultimodalDataset", "TableDataset", "TikTok"),
    *("PictureEncoder", "TextEncoder", "parse_encoder"),
}
"""Names whose arguments are tables, files and models, which tests of their own are about."""
PATH = str | os.PathLike[str]
TRANSFORM = inspect.signature(datasets.TikTok, eval_str=True).parameters["transform"].annotation
OBJECTS = [torch.Tensor, nn.Adjacency, PATH, PATH | None, TRANSFORM]
"""The annotations of inputs that the tests of each function are about."""

# The values that are wrong for each annotation; None is one unless the argument is optional.
WRONG: dict[Any, list[Any]] = {
    int: ["3", [], 1.5, math.nan, math.inf, True, -1, 10**400, torch.ones(2)],
    float: ["3", [], math.nan, math.inf, -math.inf, True, -1, torch.ones(2)],
    bool: ["yes", [], 2, 1.0],
    str: ["no such value", "", 3, [], ["max"], torch.ones(2)],
    torch.Tensor: ["3", [], 3, torch.ones(3), torch.full((1, 2), math.nan)],
    list[str]: ["image", 3, [], [3], ["image", None], {"image": 1}, ["image", "image"]],
    list[float]: ["1.0", 1.0, ["1.0"], [math.nan], [None], [math.inf]],
    EdgeType: ["user", 3, ("user", "item"), ("user", 1, "item"), ["user", "interacts", "item"]],
    list[EdgeType]: ["user", 3, ["user"], ("user", "interacts", "item"), [("user", "item")]],
    Mapping[EdgeType, str | None]: [{}, [INTERACTS], {"user": None}, {INTERACTS: 3}],
    str | Sequence[str]: [3, [], "", [3], ["title", None]],
    Mapping[str, int]: ["text", ["text"], {"text": 0}, {"text": 1.5}, {"text": "4"}, {3: 4}],
    dict[str, int]: ["text", ["text"], {"text": 0}, {"text": 1.5}, {"text": "4"}, {3: 4}],
}


@dataclass
class Case:
    """A public class or function that is called with keyword arguments."""

    function: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments with which the call succeeds."""
    wrong: dict[str, list[Any]] = field(default_factory=dict)
    """Further wrong values by argument."""
    lawful: dict[str, list[Any]] = field(default_factory=dict)
    """Values that :data:`WRONG` has for the annotation, but that this argument accepts."""
    smallest: dict[str, int] = field(default_factory=dict)
    """The smallest integers that are accepted, where other arguments decide."""

    def values(self) -> Iterator[tuple[str, Any]]:
        """Yields the arguments with their wrong values."""
        parameters = inspect.signature(self.function, eval_str=True).parameters.values()
        variadic = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
        for parameter in parameters:
            if parameter.kind in variadic or parameter.annotation in OBJECTS:
                continue
            name, lawful = parameter.name, self.lawful.get(parameter.name, [])
            values = wrong_values(parameter.annotation) + self.wrong.get(name, [])
            yield from ((name, value) for value in values if not _is_in(value, lawful))

    def limits(self) -> Iterator[tuple[str, int]]:
        """Yields the integer arguments with their smallest lawful values."""
        wrong: dict[str, list[Any]] = {}
        for name, value in self.values():
            wrong.setdefault(name, []).append(value)
        parameters = inspect.signature(self.function, eval_str=True).parameters
        for name, values in wrong.items():
            if parameters[name].annotation in (int, int | None):
                smallest = next(n for n in count(-1) if not _is_in(n, values))
                yield name, self.smallest.get(name, smallest)


def wrong_values(annotation: Any) -> list[Any]:
    """Returns the wrong values of an annotation."""
    if annotation in WRONG:
        return [*WRONG[annotation], None]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        members = typing.get_args(annotation)
        assert type(None) in members, annotation
        return [value for value in wrong_values(members[0]) if value is not None]
    raise AssertionError(f"'WRONG' must say what is wrong for {annotation}")


def _is_in(value: Any, values: list[Any]) -> bool:
    return any(type(value) is type(other) and value == other for other in values)


def model(cls: type, **wrong: list[Any]) -> Case:
    sizes = {"num_users": 4, "num_items": 5, "in_channels": {"image": 3, "text": 2}}
    counts = {"num_users": [0], "num_items": [0], "hidden_channels": [0]}
    parameters = inspect.signature(cls, eval_str=True).parameters
    counts = {name: values for name, values in counts.items() if name in parameters}
    return Case(cls, sizes, {**counts, **wrong})


def _embedding_loss(**_: Any) -> Any:
    return nn.embedding_loss(torch.ones(2, 2))


SEARCH: dict[str, list[Any]] = {"recall": [0, 1.5], "strict": [1], "memory_budget": [0]}
ADJACENCY = nn.Adjacency.from_edge_index(torch.tensor([[0], [0]]), size=(1, 1))
TAU = {"tau": [0]}
SHARE: list[Any] = [1, 2]

CASES: dict[str, Case] = {
    "BM3": model(models.BM3, dropout=SHARE),
    "BPR": model(models.BPR),
    "DAMRS": model(models.DAMRS, num_neighbours=[0], **TAU),
    "COHESION": model(models.COHESION, num_layers=[0], dropout=SHARE),
    "DRAGON": model(models.DRAGON),
    "DualGNN": model(models.DualGNN),
    "FREEDOM": model(models.FREEDOM, dropout=SHARE),
    "GRCN": model(models.GRCN, latent_channels=[0]),
    "GUME": model(models.GUME, bm_tau=[0], um_tau=[0]),
    "LATTICE": model(models.LATTICE, k=[0], feature_channels=[0], original_weight=[2], **SEARCH),
    "MENTOR": model(models.MENTOR, dropout=SHARE, noise=[-1], mask_weight_f=[-1], **TAU),
    "MGCN": model(models.MGCN, **TAU),
    "MMGF": model(models.MMGF),
    "MMGCN": model(models.MMGCN, latent_channels=[0], num_layers=[0]),
    "NGCF": model(models.NGCF, dropout=SHARE, node_dropout=SHARE),
    "SGL": model(models.SGL, dropout=SHARE, **TAU),
    "SMORE": model(models.SMORE, dropout=SHARE, **TAU),
    "SOIL": model(models.SOIL, **TAU),
    "VBPR": model(models.VBPR),
    "EmbeddingRecommender": model(models.BPR),
    "ItemKNN": model(models.ItemKNN),
    "LGMRec": model(
        models.LGMRec, num_hyper_layers=[0], num_hyperedges=[0], keep_rate=[0, 2], **TAU
    ),
    "LayerGCN": model(models.LayerGCN, num_layers=[0], dropout=SHARE),
    "LightGCN": model(models.LightGCN),
    "PGL": model(models.PGL, keep=[0, 2], dropout=SHARE, **TAU),
    "Popularity": model(models.Popularity),
    "Recommender": model(models.Popularity),
    "SLMRec": model(models.SLMRec, hidden_channels=[0, 1], ssl_tau=[0], **TAU),
    "SimGCL": model(models.SimGCL, num_layers=[0], **TAU),
    "XSimGCL": model(models.XSimGCL, num_layers=[0], contrast_layer=[0, 9], **TAU),
    "ItemKNN.graph_transform": Case(
        models.ItemKNN.graph_transform, wrong={"k": [0], "memory_budget": [0]}
    ),
    "DAMRSGraphs": Case(DAMRSGraphs, wrong={"k": [0], "item_graph_k": [0], **SEARCH}),
    "DRAGONGraphs": Case(
        DRAGONGraphs, wrong={"k": [0], "first_weight": [2], "user_k": [0], **SEARCH}
    ),
    "DualGNN.graph_transform": Case(
        models.DualGNN.graph_transform, wrong={"user_k": [0], "memory_budget": [0]}
    ),
    "FREEDOMGraphs": Case(FREEDOMGraphs, wrong={"k": [0], "first_weight": [2], **SEARCH}),
    "GUMEGraphs": Case(GUMEGraphs, wrong={"k": [0], **SEARCH}),
    "LATTICEGraphs": Case(LATTICEGraphs, wrong={"k": [0], **SEARCH}),
    "MGCNGraphs": Case(MGCNGraphs, wrong={"k": [0], **SEARCH}),
    "SMOREGraphs": Case(SMOREGraphs, wrong={"k": [0], "first_k": [0], **SEARCH}),
    "PGLGraphs": Case(
        PGLGraphs, wrong={"k": [0], "rank": [*range(8)], "first_weight": [2], **SEARCH}
    ),
    "MMGFGraphs": Case(
        MMGFGraphs,
        wrong={"k": [0], "k_modality": [0], "alpha": [2], "power": [0], **SEARCH},
        lawful={"quadratic": [-1], "cubic": [-1]},
    ),
    "SOILGraphs": Case(SOILGraphs, wrong={"k": [0], "k_i": [0], "k_a": [0], **SEARCH}),
    "KNN": Case(nn.KNN, {"emb": torch.eye(3)}, SEARCH),
    "Adjacency": Case(
        nn.Adjacency,
        {"rowptr": torch.tensor([0]), "col": torch.tensor([], dtype=torch.long)}
        | {"weight": torch.tensor([]), "num_columns": 1},
    ),
    "AlignedPairsLoss": Case(nn.AlignedPairsLoss, wrong=TAU),
    "AttentionFusion": Case(nn.AttentionFusion, {"channels": 2}, {"channels": [0]}),
    "BPRLoss": Case(nn.BPRLoss),
    "BipartiteConv": Case(nn.BipartiteConv),
    "FeatureProjection": Case(
        nn.FeatureProjection,
        {"in_channels": 2, "out_channels": 2},
        {"in_channels": [0], "out_channels": [0]},
        {"in_channels": [-1]},
    ),
    "InfoNCELoss": Case(nn.InfoNCELoss, wrong=TAU),
    "LearnedGraph": Case(nn.LearnedGraph, wrong={"k": [0], **SEARCH}),
    "LightConv": Case(nn.LightConv),
    "LightPropagation": Case(nn.LightPropagation, {"num_layers": 1}),
    "MMGCNConv": Case(
        nn.MMGCNConv,
        {"in_channels": 2, "out_channels": 2},
        {"in_channels": [0], "out_channels": [0]},
    ),
    "MeanPropagation": Case(nn.MeanPropagation, {"num_layers": 1}),
    "ModalityEncoder": Case(
        nn.ModalityEncoder,
        {"num_users": 2, "in_channels": 2, "out_channels": 2},
        {"num_users": [0], "in_channels": [0], "out_channels": [0]},
        {"in_channels": [-1]},
    ),
    "ModalityGate": Case(
        nn.ModalityGate,
        {"in_channels": 2, "out_channels": 2},
        {"in_channels": [0], "out_channels": [0]},
        {"in_channels": [-1]},
    ),
    "NeighbourLoss": Case(nn.NeighbourLoss, wrong={"k": [0], **TAU}),
    "NeighbourAttention": Case(nn.NeighbourAttention),
    "RefinedPropagation": Case(nn.RefinedPropagation, {"num_layers": 1}, {"num_layers": [0]}),
    "SampledAdjacency": Case(
        nn.SampledAdjacency, {"part": ADJACENCY, "scale": torch.ones(1), "scale_t": torch.ones(1)}
    ),
    "SearchOptions": Case(nn.SearchOptions, wrong=SEARCH),
    "SpectralFilter": Case(nn.SpectralFilter, {"channels": 2}, {"channels": [0]}),
    "TrainedFeatures": Case(
        nn.TrainedFeatures,
        {"num_nodes": 2, "in_channels": 2},
        {"num_nodes": [0], "in_channels": [0]},
    ),
    "embedding_loss": Case(_embedding_loss),
    "perturb": Case(nn.perturb, {"x": torch.eye(3), "noise": 0.1}),
    "topk_by_id": Case(nn.topk_by_id, {"scores": torch.eye(3), "k": 1}, {"k": [0]}),
    "ConsistentGraph": Case(
        transforms.ConsistentGraph,
        wrong={"k": [0], **SEARCH},
        lawful={"node_type": ["no such value"]},
    ),
    "CoOccurrenceGraph": Case(
        transforms.CoOccurrenceGraph,
        wrong={"k": [0], "memory_budget": [0], "shared_power": [-1], "node_power": [-1]},
    ),
    "InterestGraph": Case(transforms.InterestGraph, wrong={"k_i": [0], **SEARCH}),
    "NormalizeGraph": Case(
        transforms.NormalizeGraph,
        {"edge_types": [INTERACTS]},
        lawful={"attr": ["no such value"]},
    ),
    "SecondOrderGraph": Case(transforms.SecondOrderGraph, wrong={"k_a": [0], **SEARCH}),
    "SimilarityGraph": Case(
        transforms.SimilarityGraph,
        wrong={"k": [0], **SEARCH},
        lawful={"node_type": ["no such value"]},
    ),
    "SumGraph": Case(
        transforms.SumGraph,
        {"terms": {INTERACTS: None}, "out": ("user", "sum", "item")},
        {"scales": [[1.0, 1.0]]},
    ),
    "ToAdjacency": Case(
        transforms.ToAdjacency,
        {"edge_types": [INTERACTS]},
        lawful={"attr": ["no such value"]},
    ),
    "UserGraph": Case(transforms.UserGraph, wrong={"user_k": [0], "memory_budget": [0]}),
    "SyntheticMultimodal": Case(
        datasets.SyntheticMultimodal,
        {"num_users": 30, "num_items": 20},
        {
            "num_users": [0],
            "num_items": [0],
            "interactions_per_user": [0],
            "strength": [2],
            "missing": [2],
            "num_communities": [0],
            "style_size": [0],
        },
        smallest={"num_items": 3},
    ),
    "ColourHistogramEncoder": Case(
        encoders.ColourHistogramEncoder,
        {"source": "picture"},
        {"bins": [0, 257]},
        {"source": ["no such value"], "cache": ["no such value"]},
    ),
    "TfidfEncoder": Case(
        encoders.TfidfEncoder, {"column": "title"}, {"channels": [0], "max_words": [0]}
    ),
}


def wrong_arguments(*names: str) -> Callable[..., None]:
    """Returns the test of some classes and functions: they refuse all wrong arguments, and accept
    the smallest lawful integers.
    """

    @pytest.mark.parametrize(
        ("name", "argument", "value"),
        [
            pytest.param(name, argument, value, id=f"{name}-{argument}-{str(value)[:20]!r}")
            for name in names
            for argument, value in CASES[name].values()
        ],
    )
    def test(name: str, argument: str, value: Any) -> None:
        case = CASES[name]
        for other, limit in case.limits():
            if other == argument:
                case.function(**{**case.arguments, argument: limit})
        with pytest.raises((ValueError, TypeError), match=rf"'{re.escape(argument)}\b"):
            case.function(**{**case.arguments, argument: value})

    return test


def named_cases(function: str, folder: Path) -> list[str]:
    """Returns the sorted cases that the test files of a folder pass to a function."""
    calls = re.compile(rf"^test_\w+ = {function}\((.*?)\)", re.MULTILINE | re.DOTALL)
    texts = (path.read_text() for path in folder.rglob("test_*.py"))
    return sorted(
        name for text in texts for call in calls.findall(text) for name in call.split('"')[1::2]
    )
