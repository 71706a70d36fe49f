"""A network for one node type, made heterogeneous by PyG's to_hetero, on graphs of this package."""

import torch
from torch import Tensor
from torch_geometric.nn import SAGEConv, to_hetero
from torch_geometric.transforms import ToUndirected

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.nn import FeatureProjection, LightConv
from soil_pyg.transforms import CoOccurrenceGraph


class Network(torch.nn.Module):
    """Projects features of any dimension, smooths them and aggregates the neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.project = FeatureProjection(-1, 32)
        self.smooth = LightConv()
        self.conv = SAGEConv((-1, -1), 16)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Returns the embeddings of the nodes."""
        x = self.smooth(self.project(x).relu(), edge_index)
        out: Tensor = self.conv(x, edge_index)
        return out


def main() -> dict[str, Tensor]:
    """Returns the embeddings of the nodes by type."""
    data = ToUndirected()(CoOccurrenceGraph(k=10)(SyntheticMultimodal(200, 100)[0]))
    network = to_hetero(Network(), data.metadata())
    x = {"item": data["item"].x_image, "user": torch.randn(200, 8)}
    out: dict[str, Tensor] = network(x, data.edge_index_dict)
    return out


if __name__ == "__main__":
    print({node_type: list(x.size()) for node_type, x in main().items()})
