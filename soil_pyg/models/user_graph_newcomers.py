import torch

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.keys import distinct_keys
from soil_pyg.ops.topk import best_of_each_row
from soil_pyg.transforms.user_graph import MAX_CANDIDATES, softmax_of_rows


def similar_to_new(known: Adjacency, new: Adjacency, user_k: int) -> Adjacency:
    """Returns the rows of new users in the graph of :class:`~soil_pyg.transforms.UserGraph`, whose
    columns are the known users and then the new ones.

    Args:
        known (Adjacency): The known interactions, user -> item.
        new (Adjacency): The interactions of the new users, item -> user.
        user_k (int): The number of similar users.
    """
    num_new, num_known = new.size[0], known.size[1]
    num_users, owner = num_known + num_new, new.row()
    keys = []
    for first, users_of in ((0, known), (num_known, new.t())):
        shared = users_of.select_rows(new.col.long())
        row, column = owner[shared.row()], shared.col.long() + first
        keys.append((row * num_users + column)[column != row + num_known])
    key, count = distinct_keys(torch.cat(keys))
    number, user = best_of_each_row(
        key // num_users, key % num_users, count.float(), num_new, min(user_k, MAX_CANDIDATES)
    )
    row, place = (user >= 0).nonzero().unbind(1)
    edges = torch.stack([user[row, place], row])
    counts = Adjacency.from_edge_index(edges, number[row, place], (num_users, num_new))
    return softmax_of_rows(counts)
