import gc
from collections.abc import Iterator
from itertools import islice

import torch
from lightning_fabric import Fabric
from torch_geometric.data import HeteroData

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import LightGCN
from soil_pyg.training.epoch import train_epoch
from soil_pyg.training.loss import TrainingLoss
from soil_pyg.training.triplet_loader import TripletLoader
from soil_pyg.typing import Triplets


def count_tensors() -> int:
    """How many tensors there are, for Python."""
    gc.collect()
    return sum(type(found) is torch.Tensor for found in gc.get_objects())


def test_no_step_leaves_a_tensor() -> None:
    # Small ones between the large ones of the steps would keep the memory of these in pieces.
    data = SyntheticMultimodal(num_users=60, num_items=40)[0]
    data = LightGCN.graph_transform()(data)
    model = LightGCN(60, 40, hidden_channels=4)
    counts = []

    def batches() -> Iterator[tuple[HeteroData, Triplets]]:
        for batch in islice(TripletLoader(data, batch_size=32), 8):
            counts.append(count_tensors())
            yield data, batch

    optimizer = torch.optim.Adam(model.parameters())
    loss = TrainingLoss(model, parts=False)
    fabric = Fabric(accelerator="cpu", devices=1)
    terms = train_epoch(fabric, loss, optimizer, batches(), epoch=1)
    assert terms["bpr"] > 0
    assert len(counts) == 8
    # The first steps make the state of the optimizer.
    assert len(set(counts[2:])) == 1
