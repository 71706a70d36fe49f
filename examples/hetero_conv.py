"""PyG's HeteroConv with layers of this package: items hear of similar items, users of theirs."""

import torch
from torch import Tensor
from torch_geometric.nn import HeteroConv, SAGEConv

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.nn import FeatureProjection, LightConv
from soil_pyg.transforms import NormalizeGraph, SimilarityGraph


def main() -> dict[str, Tensor]:
    """Returns the embeddings of the nodes by type."""
    data = SyntheticMultimodal(num_users=200, num_items=100)[0]
    similar = ("item", "image_similar", "item")
    data = NormalizeGraph([similar])(SimilarityGraph(k=10, modalities=["image"])(data))
    conv = HeteroConv(
        {similar: LightConv(), ("item", "rev_interacts", "user"): SAGEConv((-1, -1), 32)}
    )
    # A size of -1 is taken from the first features.
    project = FeatureProjection(-1, 32)
    x = {"item": project(data["item"].x_image), "user": torch.zeros(200, 32)}
    edges = {
        similar: data[similar].edge_index,
        ("item", "rev_interacts", "user"): data["user", "interacts", "item"].edge_index.flip(0),
    }
    out: dict[str, Tensor] = conv(x, edges, {similar: data[similar].norm_weight})
    return out


if __name__ == "__main__":
    print({node_type: list(x.size()) for node_type, x in main().items()})
