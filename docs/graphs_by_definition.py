"""SOIL's graphs by definition: dense matrices, and a loop over users where the paper has one.

R holds the training interactions, users x items, X[m] the features of modality m, items x channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def top(W: Tensor, k: int) -> Tensor:
    """Marks the k largest entries of each row; ties, up to rounding, go to the first column."""
    order = W.round(decimals=9).sort(dim=1, descending=True, stable=True).indices
    return torch.zeros_like(W).scatter(1, order[:, :k], 1)


def similarities(X: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the cosine of each pair of items in each modality (Eq. 1)."""
    C = {m: F.normalize(x) for m, x in X.items()}
    return {m: (c[:, None] * c).sum(dim=2) for m, c in C.items()}


def second_order(S: dict[str, Tensor], R: Tensor, k_a: int, released: bool) -> Tensor:
    """Returns R_a, the weights of the items that each user nearly chose (Eq. 2-3)."""
    S_a = torch.stack(list(S.values())).prod(dim=0).clamp(min=0)
    R_a = torch.zeros_like(R)
    for u, chosen in enumerate(R):
        pool = S_a * chosen  # of item j (row) for item i of the user (column)
        if released:
            entries = pool.view(1, -1)
            kept = entries * top(entries, min(k_a + int(chosen.sum()), len(chosen)))
            R_a[u] = kept.view_as(pool).sum(dim=1)
        else:
            largest = pool.amax(dim=1) * (1 - chosen)
            R_a[u] = largest * top(largest[None], k_a)[0]
    return R_a


def interest(S: dict[str, Tensor], R: Tensor, k_i: int, released: bool) -> dict[str, Tensor]:
    """Returns the similarities of i and j where a user of i is interested in j (Eq. 6-8)."""
    I_a = torch.stack([top(R @ s, k_i) for s in S.values()]).amax(dim=0)
    users = R.T @ I_a
    return {m: s.clamp(min=0) * (users if released else users > 0) for m, s in S.items()}


def similar(S: dict[str, Tensor], k: int) -> dict[str, Tensor]:
    """Returns the similarities of each item and its k nearest, itself included (Eq. 9)."""
    return {m: s.clamp(min=0) * top(s, k) for m, s in S.items()}


def inverse_root(degree: Tensor) -> Tensor:
    """Returns the factors of nodes in D^(-1/2), 0 for nodes without edges."""
    return degree.pow(-0.5).masked_fill(degree == 0, 0)


def sym(W: Tensor, min_weight: float = 0.0) -> Tensor:
    """Returns D^(-1/2) W D^(-1/2), D the row sums, with weights of at least the minimum."""
    d = inverse_root(W.sum(dim=1))
    return (d[:, None] * W * d).clamp(min=min_weight) * (W > 0)


def bipartite(R: Tensor) -> Tensor:
    """Returns the symmetric matrix of users and items together."""
    users, items = R.new_zeros(len(R), len(R)), R.new_zeros(len(R.T), len(R.T))
    return torch.cat([torch.cat([users, R], dim=1), torch.cat([R.T, items], dim=1)])


def graphs(
    R: Tensor, X: dict[str, Tensor], k: int, k_i: int, k_a: int, released: bool
) -> dict[str, Tensor]:
    """Returns the graphs of the paper, or those of the released code."""
    scale, min_weight = (0.5, 1e-7) if released else (1.0, 0.0)
    U, S = len(R), similarities(X)
    R_a = second_order(S, R, k_a, released)
    L_1, L_2 = sym(bipartite(R)), sym(bipartite(R_a), min_weight)
    out = {"user_item": (L_1 + scale * L_2)[:U, U:], "aggregation": R + R_a}  # Eq. 4-5 and 13
    if released:
        d = inverse_root(R_a.sum(dim=1))  # item number j gets the factor of user number j
        norm = (d[:, None] * R_a * d[: len(R.T)]).clamp(min=min_weight) * (R_a > 0)
        out["aggregation"] = L_1[:U, U:] + scale * norm
    S_hat, S_tilde = interest(S, R, k_i, released), similar(S, k)
    for m in S:  # Eq. 10
        out[f"{m}_item_item"] = sym(S_hat[m], min_weight) + sym(S_tilde[m], min_weight)
    return out
