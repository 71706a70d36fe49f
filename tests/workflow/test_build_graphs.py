from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import SOIL, LightGCN
from soil_pyg.models.graphs import adjacency
from soil_pyg.training.subgraph_sampler import SubgraphSampler
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS
from soil_pyg.workflow.build_graphs import build_graphs


@pytest.fixture
def data() -> HeteroData:
    data = SyntheticMultimodal(60, 40)[0]
    edge_index = data[INTERACTS].edge_index
    data[INTERACTS].edge_index = torch.cat([edge_index, edge_index[:, :3]], dim=1)
    return data


@pytest.mark.parametrize("model_class", [LightGCN, SOIL])
def test_mapped_graphs(
    model_class: type[LightGCN | SOIL], data: HeteroData, tmp_path: Path
) -> None:
    ranks = Trainer(accelerator="cpu").launch()
    graphs = model_class.graph_transform()
    built = build_graphs(graphs, data, "cpu", ranks)
    mapped = build_graphs(graphs, data, "cpu", ranks, tmp_path)
    assert list(tmp_path.rglob("*.safetensors")) == []
    types = [kind for kind, store in built.edge_items() if "adjacency" in store]
    assert [kind for kind, store in mapped.edge_items() if "adjacency" in store] == types
    for kind in types:
        for found, expected in (
            (adjacency(mapped, kind), adjacency(built, kind)),
            (adjacency(mapped, kind).t(), adjacency(built, kind).t()),
        ):
            for name in ("rowptr", "col", "weight"):
                assert torch.equal(getattr(found, name), getattr(expected, name))
    nodes = {"user": torch.tensor([3, 5, 9]), "item": torch.tensor([0, 7, 30])}
    samples = [SubgraphSampler(each).sample(nodes) for each in (mapped, built)]
    for kind in types:
        found, expected = (sample[kind].adjacency.to_dense() for sample in samples)
        assert torch.equal(found, expected)
