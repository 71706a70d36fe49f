import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.pairs import pair_inner_product
from soil_pyg.ops.topk import best_of_candidates


class InterestCandidates:
    """The items that the interests of users are chosen from after an approximate search: those
    that it finds for a user, and the neighbours of the user's items.

    Args:
        c (Tensor): The normalised features of the items with the modality.
        node (Tensor): The ids of these items.
        neighbour (Tensor): The rows in :obj:`c` of the neighbours of each, -1 for none.
        num_items (int): The number of all items.
        k (int): The number of items of interest per user.
    """

    def __init__(self, c: Tensor, node: Tensor, neighbour: Tensor, num_items: int, k: int) -> None:
        self.c, self.node, self.k = c, node, k
        self.none = node.numel()
        # Items without the modality have the last row.
        self._neighbour = F.pad(neighbour, (0, 0, 0, 1), value=-1)
        self._neighbour.masked_fill_(self._neighbour < 0, self.none)
        self._position = node.new_full((num_items,), self.none)
        self._position[node] = torch.arange(self.none, device=node.device)

    def best(self, history: Adjacency, sought: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows and the items of interest of users, given their interactions and the
        rows in :obj:`c` that the search finds. Each of both sources misses many that the other has.
        """
        row = history.row()
        place = torch.arange(row.numel(), device=row.device) - history.rowptr[row]
        at = row.new_full((history.size[0], int(history.rowptr.diff().max())), self.none)
        at[row, place] = self._position[history.col.long()]
        near = self._neighbour.index_select(0, at.view(-1)).view(at.size(0), -1)
        sought = sought.masked_fill(sought < 0, self.none).int()
        query, found = history.matmul(self.c), torch.cat([sought, near], dim=1)

        def score(rowptr: Tensor, position: Tensor) -> Tensor:
            return pair_inner_product(query, self.c, rowptr, self.node[position])

        best = best_of_candidates(found, self.none, self.k, score)[1]
        return (best >= 0).nonzero()[:, 0], self.node[best[best >= 0].long()]
