"""PyG's LinkNeighborLoader, whose batches train a layer by triplets; it needs pyg-lib or
torch-sparse. Without either, soil_pyg.training.TripletLoader and PartitionLoader do the same.
"""

import torch
from torch_geometric.loader import LinkNeighborLoader
from torch_geometric.transforms import ToUndirected

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.nn import BPRLoss, FeatureProjection, LightConv


def main() -> list[float]:
    """Returns the loss of each batch."""
    data = ToUndirected()(SyntheticMultimodal(num_users=200, num_items=100)[0])
    interacts, back = ("user", "interacts", "item"), ("item", "rev_interacts", "user")
    loader = LinkNeighborLoader(
        data,
        {back: [10], interacts: [10]},
        edge_label_index=(interacts, data[interacts].edge_index),
        neg_sampling="triplet",
        batch_size=512,
    )
    project, conv, bpr = FeatureProjection(64, 16), LightConv(), BPRLoss()
    optimizer = torch.optim.Adam(project.parameters(), lr=0.01)
    losses = []
    for batch in loader:
        item = project(batch["item"].x_image)
        user = conv((item, item.new_zeros(batch["user"].num_nodes, 1)), batch[back].edge_index)
        user = user[batch["user"].src_index]
        positive, negative = item[batch["item"].dst_pos_index], item[batch["item"].dst_neg_index]
        loss = bpr((user * positive).sum(dim=1), (user * negative).sum(dim=1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
