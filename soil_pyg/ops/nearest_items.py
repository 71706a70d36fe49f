from functools import partial

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.ops.collector import Collector, Features, item_blocks
from soil_pyg.ops.keys import sort_integers
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.matmul import matmul_t
from soil_pyg.ops.pairs import exact_cosine
from soil_pyg.ops.topk import ROUNDING, topk_rescored


class NearestItems(Collector):
    r"""Gathers the :math:`k` most similar items of each item per modality (Eq. 9), chosen by
    (value, id).
    """

    needs_rows = False

    def __init__(self, features: Features, k: int) -> None:
        super().__init__()
        self.features = features
        self.num_neighbours = k
        # Allocated at once: results kept per block between temporaries would fragment the heap.
        size, device = self._size(), next(iter(features.values()))[0].device
        self._column = {m: torch.full(size, -1, dtype=torch.int32, device=device) for m in features}

    def parts(self) -> list[slice]:
        """Returns blocks of items."""
        return item_blocks(self._size()[0])

    def compute(self, part: slice) -> dict[str, Tensor]:
        """Returns the neighbours of a block of items."""
        similarity = {m: matmul_t(c[part], c) for m, (c, _) in self.features.items()}
        return self._nearest(part, similarity)

    def keep(self, part: slice, found: dict[str, Tensor]) -> None:
        """Takes the neighbours of a block of items."""
        for modality, (_, has) in self.features.items():
            self._column[modality][part][has[part]] = found[modality]

    def _size(self) -> tuple[int, int]:
        num_items = next(iter(self.features.values()))[0].size(0)
        return num_items, min(self.num_neighbours, num_items)

    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes a block of rows of the similarities."""
        self.keep(block, self._nearest(block, similarity))

    def _nearest(self, block: slice, similarity: dict[str, Tensor]) -> dict[str, Tensor]:
        # The neighbours of the items of a block that have the modality.
        found = {}
        for modality, (_, has) in self.features.items():
            eligible = self.eligible(modality, self.num_neighbours)
            node = has[block].nonzero().view(-1)
            scores = similarity[modality]
            if not eligible.all():
                scores = scores[node]
                scores[:, ~eligible] = -torch.inf
            found[modality] = self._choose(modality, node + block.start, scores)
        return found

    def _choose(self, modality: str, node: Tensor, scores: Tensor) -> Tensor:
        c = self.features[modality][0]
        rescore = partial(_cosine_of_rows, c, node)
        tolerance = torch.full((node.numel(),), ROUNDING, device=c.device)
        k = self._size()[1]
        column = topk_rescored(scores, k, tolerance, rescore, ordered=False)[1]
        return sort_integers(column).int()

    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes the result of an approximate search."""
        neighbour = neighbour[:, : self.num_neighbours].long()
        column = sort_integers(node[neighbour].masked_fill(neighbour < 0, -1))
        self._column[modality][node, : column.size(1)] = column.int()

    def pairs(self, modality: str) -> tuple[Tensor, Tensor]:
        """Returns the neighbours of all items as compressed rows, ascending, and removes them."""
        column = self._column.pop(modality)
        found = column >= 0
        return cumsum(found.sum(dim=1)), column[found].long()


def _cosine_of_rows(c: Tensor, node: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return exact_cosine(c, node[row], column)
