"""PyG's EdgeIndex as the edges of a layer, which then multiplies matrices and holds no message."""

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from soil_pyg.nn import LightConv


def main() -> tuple[Tensor, Tensor]:
    """Returns the result for a sorted EdgeIndex and for the same edges as a tensor, both of a
    homogeneous :class:`~torch_geometric.data.Data`.
    """
    data = Data(x=torch.randn(50, 8), edge_index=torch.randint(50, (2, 400)))
    plain = LightConv()(data.x, data.edge_index)
    data.edge_index = EdgeIndex(data.edge_index, sparse_size=(50, 50)).sort_by("col").values
    return LightConv()(data.x, data.edge_index), plain


if __name__ == "__main__":
    print(*(list(x.size()) for x in main()))
