"""PyG's NeighborLoader on a graph of similar items; it needs pyg-lib or torch-sparse."""

from torch_geometric.loader import NeighborLoader

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.nn import FeatureProjection, LightConv
from soil_pyg.transforms import SimilarityGraph


def main() -> list[int]:
    """Returns the number of items whose embeddings each batch gives."""
    data = SimilarityGraph(k=5)(SyntheticMultimodal(num_users=200, num_items=100)[0])
    similar = ("item", "image_similar", "item")
    # All edge types must have a number; of the purchases, none are drawn.
    num_neighbors = {kind: [5, 5] if kind == similar else [0, 0] for kind in data.edge_types}
    loader = NeighborLoader(data, num_neighbors, input_nodes="item", batch_size=32)
    project, conv = FeatureProjection(-1, 16), LightConv()
    sizes = []
    for batch in loader:
        edges = batch[similar]
        x = conv(project(batch["item"].x_image), edges.edge_index, edges.edge_weight)
        sizes.append(len(x[: batch["item"].batch_size]))
    return sizes


if __name__ == "__main__":
    print(main())
