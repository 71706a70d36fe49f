import torch
from torch import Tensor

from soil_pyg.ops.collector import Features
from soil_pyg.ops.keys import sort_integers
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.nearest_items import NearestItems
from soil_pyg.ops.pairs import exact_cosine
from soil_pyg.ops.topk import ROUNDING, best_of_each_row
from soil_pyg.ops.vectors import norms
from soil_pyg.utils.progress import blocks

CANDIDATES = 4
"""The number of candidates per neighbour that an approximate search must find."""

ROWS_AT_ONCE = 2**12
"""The number of rows per block that are added up in double precision."""


class ConsistentItems(NearestItems):
    """Gathers the :math:`k` most similar items of each item per modality, chosen by (value, id),
    among those whose similarity is at least the mean over all pairs in every modality that both
    have.
    """

    needs_rows = True
    num_rows = 2

    def __init__(self, features: Features, k: int) -> None:
        self.k = k
        super().__init__(features, CANDIDATES * k)
        self._mean = {m: _mean_cosine(c, has) for m, (c, has) in features.items()}

    def _size(self) -> tuple[int, int]:
        num_items = next(iter(self.features.values()))[0].size(0)
        return num_items, min(self.k, num_items)

    def _nearest(self, block: slice, similarity: dict[str, Tensor]) -> dict[str, Tensor]:
        alike = torch.ones_like(next(iter(similarity.values())), dtype=torch.bool)
        for modality, (c, has) in self.features.items():
            value, mean = similarity[modality], self._mean[modality]
            both = has[block].unsqueeze(1) & has
            above = value >= mean
            near = ((value - mean).abs() <= ROUNDING) & both
            row, column = near.nonzero().unbind(1)
            above[row, column] = exact_cosine(c, row + block.start, column) >= mean
            alike &= above | ~both
        found = {}
        for modality, (_, has) in self.features.items():
            node = has[block].nonzero().view(-1)
            scores = similarity[modality][node].masked_fill(~(alike[node] & has), -torch.inf)
            found[modality] = self._choose(modality, node + block.start, scores)
        return found

    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes the result of an approximate search: its candidates."""
        found = neighbour >= 0
        row, column = node[found.nonzero()[:, 0]], node[neighbour[found].long()]
        order = torch.argsort(row * self._size()[0] + column)
        row, column = row[order], column[order]
        alike = torch.ones_like(row, dtype=torch.bool)
        for other, (c, has) in self.features.items():
            both = (has[row] & has[column]).nonzero().view(-1)
            value = exact_cosine(c, row[both], column[both])
            alike[both] &= value >= self._mean[other]
        row, column = row[alike], column[alike]
        value = exact_cosine(self.features[modality][0], row, column)
        best = best_of_each_row(row, column, value, *self._size())[1]
        self._column[modality] = sort_integers(best).int()


def _mean_cosine(c: Tensor, has: Tensor) -> float:
    # The mean over all pairs is the squared length of the mean unit vector.
    total = c.new_zeros(c.size(1), dtype=torch.float64)
    for block in blocks(c.size(0), ROWS_AT_ONCE, "adding up features"):
        # Lengths in single precision would put a mean of equal similarities above them.
        part = c[block][has[block]].double()
        total += (part / norms(part).unsqueeze(1)).sum(dim=0)
    mean = total / max(1, int(has.sum()))
    # Rounded like the similarities, which may all be equal to it.
    return float((mean @ mean).float())
