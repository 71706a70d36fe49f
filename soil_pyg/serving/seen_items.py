import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.workflow.ids import ALL
from soil_pyg.workflow.recommend import SEEN, seen_splits


class SeenItems:
    """The items that users have seen, found in the interactions as they lie on disk.

    Args:
        data (HeteroData): The data of a run. Interactions that are not sorted by user are copied.

    Example:
        >>> data = HeteroData()
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 1, 1], [4, 2, 3]])
        >>> SeenItems(data).of(torch.tensor([1, 0]), "all")
        [tensor([2, 3]), tensor([4])]
    """

    def __init__(self, data: HeteroData) -> None:
        pairs = {id(found): _by_user(found) for found in seen_splits(data, ALL)}
        self._splits = {
            name: [pairs[id(found)] for found in seen_splits(data, name)] for name in SEEN
        }

    def of(self, users: Tensor, exclude_seen: str) -> list[Tensor]:
        """Returns the items of each user that :func:`soil_pyg.recommend` would leave out."""
        found: list[list[Tensor]] = [[users[:0]] for _ in range(len(users))]
        for row, item in self._splits[exclude_seen]:
            start = torch.searchsorted(row, users).tolist()
            stop = torch.searchsorted(row, users, right=True).tolist()
            for items, first, last in zip(found, start, stop, strict=True):
                items.append(item[first:last])
        return [torch.cat(items) for items in found]


def _by_user(pairs: Tensor) -> Tensor:
    row = pairs[0]
    is_sorted = bool((row[1:] >= row[:-1]).all())
    return pairs if is_sorted else pairs[:, row.argsort(stable=True)]
