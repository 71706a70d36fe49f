import torch
from torch import Tensor
from torch.nn import Embedding

from soil_pyg.utils.checks import check_integer


class TrainedFeatures(torch.nn.Module):
    r"""Trains features like embeddings, starting from the given ones.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{x}_i + \mathbf{o}_i

    The offset :math:`\mathbf{o}_i` starts at zero. Its gradient is that of the sum, so Adam without
    weight decay takes the same steps as on a table that starts as the features. But the features
    stay in the data, and the saved weights hold only the offsets.

    Args:
        num_nodes (int): The number of nodes.
        in_channels (int): The dimension of the features.

    Shapes:
        - **inputs:** features :math:`(|\mathcal{V}|, F)`
        - **outputs:** features :math:`(|\mathcal{V}|, F)`

    Example:
        >>> TrainedFeatures(num_nodes=2, in_channels=1)(torch.tensor([[3.0], [4.0]]))
        tensor([[3.], [4.]], grad_fn=<AddBackward0>)
    """

    def __init__(self, num_nodes: int, in_channels: int) -> None:
        super().__init__()
        check_integer("num_nodes", num_nodes, 1)
        check_integer("in_channels", in_channels, 1)
        self.offset = Embedding(num_nodes, in_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the offsets to zero."""
        torch.nn.init.zeros_(self.offset.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Adds the offsets to the features.

        Args:
            x (Tensor): The features.

        Raises:
            ValueError: If the features have another shape than the offsets.
        """
        if x.size() != self.offset.weight.size():
            shape = list(self.offset.weight.size())
            raise ValueError(f"'x' must have the shape {shape} (got {list(x.size())})")
        return x + self.offset.weight

    def __repr__(self) -> str:
        size = self.offset.num_embeddings, self.offset.embedding_dim
        return f"{self.__class__.__name__}({size[0]}, {size[1]})"
