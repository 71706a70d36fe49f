import torch
from torch import Tensor

from soil_pyg.ops.adjacency import Adjacency


class LaterItemError(ValueError):
    """Raised if a graph lacks an item that was added after the training."""

    def __init__(self, item: int) -> None:
        super().__init__(f"'edge_index' has item {item}, which came after the training")
        self.item = item


class NewUserRows:
    r"""The rows of new users in the symmetrically normalised user-item graph.

    Only their own edges are computed: the degrees of the known graph are kept. Users that are added
    together share the degrees of the items.

    Args:
        degree (Tensor): The degrees of the items in the known graph.

    Example:
        >>> rows = NewUserRows(torch.tensor([3, 0, 1]))
        >>> rows(torch.tensor([[0], [2]]), num_new_users=1).to_dense()
        tensor([[0.0000, 0.0000, 0.7071]])
    """

    def __init__(self, degree: Tensor) -> None:
        self.degree = degree.double()

    def __call__(self, edge_index: Tensor, num_new_users: int) -> Adjacency:
        """Returns the rows of users with interactions that are numbered from 0, or raises
        :class:`LaterItemError` if an item came after the training.
        """
        rows = edges_of_new_users(edge_index, num_new_users, len(self.degree))
        rows.weight = self.normalize(rows)
        return rows

    def normalize(self, edges: Adjacency) -> Tensor:
        """Returns the weights of edges of new users, divided by the roots of both degrees. Raises
        :class:`ValueError` if a degree is not positive.
        """
        items, item = torch.unique(edges.col.long(), return_inverse=True)
        degree = self.degree[items].index_add_(0, item, edges.weight.double())
        return user_factor(edges) * edges.weight * _inverse_root(degree)[item]


def edges_of_new_users(edge_index: Tensor, num_new_users: int, num_items: int) -> Adjacency:
    """Returns the interactions of new users, numbered from 0, as a matrix that items are propagated
    with, or raises :class:`LaterItemError` if an item came after the training.
    """
    later = edge_index[1][edge_index[1] >= num_items]
    if len(later) > 0:
        raise LaterItemError(int(later[0]))
    return Adjacency.from_edge_index(edge_index.flip([0]), size=(num_items, num_new_users))


def user_factor(edges: Adjacency) -> Tensor:
    """Returns, for each edge of new users, the inverse root of the degree of the user. Raises
    :class:`ValueError` if a degree is not positive.
    """
    user, weight = edges.row(), edges.weight
    # In double precision the rounded sum does not depend on the order of the edges.
    degree = weight.new_zeros(edges.size[0], dtype=torch.float64)
    return _inverse_root(degree.index_add_(0, user, weight.double())[user])


def _inverse_root(degree: Tensor) -> Tensor:
    if not bool((degree > 0).all()):
        raise ValueError(
            f"the edges of new users cannot be normalised: a node has the degree "
            f"{float(degree.min()):.3g}; train with negative='drop'"
        )
    return degree.pow(-0.5).float()
