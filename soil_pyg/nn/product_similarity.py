import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.nn.exact_topk import ROUNDING, best_of_each_row, exact_topk
from soil_pyg.nn.knn import KNN
from soil_pyg.nn.pairs import block_rows, exact_cosine
from soil_pyg.nn.ragged import expand
from soil_pyg.progress import blocks

CANDIDATES = 4
"""How many times the neighbours asked for an approximate search looks at in each modality."""

MAX_ROWS = 512
"""Blocks of rows that ask for about as many entries are searched together."""


class ProductSimilarity:
    r"""The attractiveness of items to each other, the product of their modality similarities.

    .. math::
        S_a[i, j] = \prod_m \mathbf{c}_{m,i}^{\top} \mathbf{c}_{m,j}

    over the modalities that both items have; a pair without any is no candidate. Only blocks of
    rows exist at a time.

    Args:
        features (list[(Tensor, Tensor)]): For each modality the unit features of shape
            :obj:`[num_items, channels]` and the mask of the items that have it.
        index (str, optional): A FAISS index factory string, to score only the candidates that it
            finds in any modality; :obj:`"Flat"` scores all items. (default: :obj:`"Flat"`)
        memory_budget (int, optional): Bytes that a block may take. (default: :obj:`2**30`)

    Example:
        >>> c, has = torch.eye(2), torch.tensor([True, True])
        >>> ProductSimilarity([(c, has)]).exact(torch.tensor([0, 0]), torch.tensor([0, 1]))
        tensor([1., 0.])
    """

    def __init__(
        self,
        features: list[tuple[Tensor, Tensor]],
        index: str = "Flat",
        memory_budget: int = 2**30,
    ) -> None:
        self.features = features
        self.index = index
        self.memory_budget = memory_budget
        self.num_items = features[0][0].size(0)
        self._built: list[tuple[KNN, Tensor]] | None = None

    def rows(self, item: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""Returns the largest entries of the rows of some items, chosen by (value, id).

        Args:
            item (Tensor): Items, repeated or not.
            width (Tensor): How many entries each asks for, cut at :obj:`num_items`; the largest
                counts.

        Returns:
            Pointers of shape :obj:`[num_items + 1]`, columns and values; the row of item
            :obj:`i` lies at :obj:`pointer[i]..pointer[i + 1]`, empty if nobody asked,
            by descending value.
        """
        length = torch.zeros(self.num_items, dtype=torch.long, device=item.device)
        length = length.scatter_reduce(0, item, width, "amax")
        node = torch.argsort(length, stable=True)
        node = node[length[node] > 0]
        size = min(block_rows(self.memory_budget, self.num_items, 24), MAX_ROWS)
        found_columns, found_values = [item[:0]], [self.features[0][0].new_empty(0)]
        for block in blocks(node.numel(), size, "searching second-order items"):
            # All rows of a block get as many: the entries of one are not in order of their ids.
            value, column = self._top(node[block], int(length[node[block]].max()))
            length[node[block]] = (column >= 0).sum(dim=1)
            found_columns.append(column[column >= 0])
            found_values.append(value[column >= 0])
        columns, values = torch.cat(found_columns), torch.cat(found_values)
        begin = torch.zeros_like(length)
        begin[node] = length[node].cumsum(0) - length[node]
        position, _ = expand(begin, length)
        return cumsum(length), columns[position], values[position]

    def exact(self, row: Tensor, column: Tensor) -> Tensor:
        r"""Returns the entries of pairs of items, :math:`-\infty` for pairs without a modality.

        Args:
            row (Tensor): The first item of each pair.
            column (Tensor): The second item of each pair.
        """
        value = torch.ones(row.numel(), device=row.device)
        shared = torch.zeros_like(value, dtype=torch.bool)
        for c, has in self.features:
            both = has[row] & has[column]
            value[both] *= exact_cosine(c, row[both], column[both])
            shared |= both
        return value.masked_fill(~shared, -torch.inf)

    def _top(self, node: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if self.index != "Flat":
            return self._top_of_candidates(node, k)
        scores = self._block(node)
        tolerance = torch.full((node.numel(),), ROUNDING, device=scores.device)
        return exact_topk(
            scores, k, tolerance, lambda r, column: self.exact(node[r], column), ordered=False
        )

    def _top_of_candidates(self, node: Tensor, k: int) -> tuple[Tensor, Tensor]:
        keys = []
        offset = torch.arange(node.numel(), device=node.device).unsqueeze(1) * self.num_items
        for (c, has), (knn, members) in zip(self.features, self._indexes(), strict=True):
            found = knn.search(c[node], CANDIDATES * k)[1]
            keys.append((offset + members[found])[(found >= 0) & has[node].unsqueeze(1)])
        key = torch.unique(torch.cat(keys))
        row, column = key // self.num_items, key % self.num_items
        return best_of_each_row(row, column, self.exact(node[row], column), node.numel(), k)

    def _indexes(self) -> list[tuple[KNN, Tensor]]:
        if self._built is None:
            self._built = [
                (KNN(c[has], self.index, memory_budget=self.memory_budget), has.nonzero().view(-1))
                for c, has in self.features
            ]
        return self._built

    def _block(self, node: Tensor) -> Tensor:
        value: Tensor | None = None
        shared = torch.zeros(node.numel(), self.num_items, dtype=torch.bool, device=node.device)
        for c, has in self.features:
            similarity = c[node] @ c.t()
            if not has.all():
                both = has[node].unsqueeze(1) & has
                similarity.masked_fill_(~both, 1.0)
                shared |= both
            else:
                shared.fill_(True)
            value = similarity if value is None else value.mul_(similarity)
        assert value is not None
        return value.masked_fill_(~shared, -torch.inf)
