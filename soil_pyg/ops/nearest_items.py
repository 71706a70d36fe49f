from functools import partial

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.ops.knn import KNN
from soil_pyg.ops.pairs import exact_cosine, pair_inner_product
from soil_pyg.ops.similarity_pass import Collector, Features
from soil_pyg.ops.topk import ROUNDING, topk_rescored


class NearestItems(Collector):
    r"""Gathers the :math:`k` most similar items of each item per modality (Eq. 9), chosen by
    (value, id).

    Args:
        features (dict[str, (Tensor, Tensor)]): For each modality the unit features and the mask of
            the items that have it.
        k (int): The number of neighbours, cut at the number of items.
    """

    def __init__(self, features: Features, k: int) -> None:
        super().__init__()
        self.features = features
        self.num_neighbours = k
        # Allocated at once: results kept per block between temporaries would fragment the heap.
        size, device = self._size(), next(iter(features.values()))[0].device
        self._column = {m: torch.full(size, -1, dtype=torch.int32, device=device) for m in features}
        self._value = {m: torch.empty(size, device=device) for m in features}

    def _size(self) -> tuple[int, int]:
        num_items = next(iter(self.features.values()))[0].size(0)
        return num_items, min(self.num_neighbours, num_items)

    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes a block of rows of the similarities."""
        for modality, (c, has) in self.features.items():
            eligible = self.eligible(modality, self.num_neighbours)
            node = has[block].nonzero().view(-1)
            scores = similarity[modality]
            if not eligible.all():
                scores = scores[node]
                scores[:, ~eligible] = -torch.inf
            node += block.start
            rescore = partial(_cosine_of_rows, c, node)
            tolerance = torch.full((node.numel(),), ROUNDING, device=c.device)
            value, column = topk_rescored(
                scores, self._size()[1], tolerance, rescore, ordered=False
            )
            column, order = column.sort(dim=1)
            self._column[modality][node] = column.int()
            self._value[modality][node] = value.gather(1, order)

    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes the result of an approximate search."""
        c = self.features[modality][0]
        neighbour = neighbour[:, : self.num_neighbours].long()
        column = node[neighbour].masked_fill(neighbour < 0, -1).sort(dim=1).values
        found = column >= 0
        rowptr = cumsum(found.sum(dim=1))
        value = torch.zeros(column.size(), device=c.device)
        value[found] = pair_inner_product(c[node], c, rowptr, column[found])
        self._column[modality][node, : column.size(1)] = column.int()
        self._value[modality][node, : column.size(1)] = value

    def edges(self, modality: str) -> tuple[Tensor, Tensor, Tensor]:
        """Returns items, their neighbours and the similarities, sorted by (item, neighbour), and
        removes them.

        Args:
            modality (str): The modality.
        """
        column, value = self._column.pop(modality), self._value.pop(modality)
        found = column >= 0
        return found.nonzero()[:, 0], column[found].long(), value[found]


def _cosine_of_rows(c: Tensor, node: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return exact_cosine(c, node[row], column)
