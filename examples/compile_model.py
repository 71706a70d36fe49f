"""A training step of a model under torch.compile; Trainer(compile=True) does the same."""

import torch

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import LightGCN
from soil_pyg.training.triplet_loader import TripletLoader


def main(backend: str = "inductor") -> tuple[float, float]:
    """Returns the loss of a batch as the compiled and as the plain model compute it.

    Args:
        backend (str, optional): The compiler. (default: :obj:`"inductor"`)
    """
    data = LightGCN.graph_transform()(SyntheticMultimodal(num_users=200, num_items=100)[0])
    # Both directions of the graph are made outside of the compiled code.
    data["user", "interacts", "item"].adjacency.prepare()
    model = LightGCN.from_data(data, hidden_channels=16)
    compiled = torch.compile(model.loss, backend=backend, dynamic=False)
    batch = next(iter(TripletLoader(data, batch_size=256)))
    losses = [torch.stack([*loss(data, batch).values()]).sum() for loss in (compiled, model.loss)]
    torch.autograd.backward(losses[0])
    return losses[0].item(), losses[1].item()


if __name__ == "__main__":
    print(main())
