from functools import partial

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.nn.exact_topk import ROUNDING, exact_topk
from soil_pyg.nn.knn import KNN
from soil_pyg.nn.pairs import exact_cosine, pair_inner_product
from soil_pyg.nn.similarity_pass import Collector, Features


class NearestItems(Collector):
    r"""Gathers the :math:`k` most similar items of each item in each modality (Eq. 9), chosen by
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
        self.pairs: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {m: [] for m in features}

    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes some columns of the similarities."""
        for modality, (c, has) in self.features.items():
            node = has[block].nonzero().view(-1)
            scores = similarity[modality].t().contiguous()
            if not has.all():
                scores = scores[node]
                scores[:, ~has] = -torch.inf
            node += block.start
            rescore = partial(_cosine_of_rows, c, node)
            tolerance = torch.full((node.numel(),), ROUNDING, device=c.device)
            k = min(self.num_neighbours, c.size(0))
            value, column = exact_topk(scores, k, tolerance, rescore, ordered=False)
            column, order = column.sort(dim=1)
            found = column >= 0
            row = node.unsqueeze(1).expand_as(column)[found]
            self.pairs[modality].append((row, column[found], value.gather(1, order)[found]))

    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes what an approximate search found."""
        c = self.features[modality][0]
        neighbour = neighbour[:, : self.num_neighbours].long()
        column = node[neighbour].masked_fill(neighbour < 0, -1).sort(dim=1).values
        found = column >= 0
        rowptr = cumsum(found.sum(dim=1))
        value = pair_inner_product(c[node], c, rowptr, column[found])
        row = node.unsqueeze(1).expand_as(column)[found]
        self.pairs[modality].append((row, column[found], value))

    def edges(self, modality: str) -> tuple[Tensor, Tensor, Tensor]:
        """Returns items, their neighbours and the similarities, sorted by (item, neighbour), and
        lets go of them.

        Args:
            modality (str): The modality.
        """
        row, column, value = zip(*self.pairs.pop(modality), strict=True)
        return torch.cat(row), torch.cat(column), torch.cat(value)


def _cosine_of_rows(c: Tensor, node: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return exact_cosine(c, node[row], column)
