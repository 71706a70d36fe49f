from collections.abc import Iterator

import torch
from torch import Tensor

from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.keys import group_keys
from soil_pyg.ops.ragged import (
    GrowingTensors,
    budget_blocks,
    concat_ranges,
    index2ptr,
    order_by_group,
    rank_in_group,
)
from soil_pyg.utils.progress import blocks

FEW = 4
"""The number of entries per row, beside an equal share of the result, that set the bound."""


class SecondOrderSelection:
    """Selects each user's second-order items: the best entries in the rows of the attractiveness of
    the user's items (Eq. 2-3). Options are those of :class:`~soil_pyg.transforms.SecondOrderGraph`.

    The first entries of the rows give a pruning bound per user. Only rows that may have more
    entries above it are lengthened. Interactions must be sorted by (user, item). A key is
    :obj:`user * num_items + column`.
    """

    def __init__(
        self,
        rows: AttractivenessRows,
        user: Tensor,
        item: Tensor,
        num_users: int,
        k_a: int,
        aggr: str,
        exclude_interacted: bool,
        negative: str,
    ) -> None:
        self.rows = rows
        self.aggr = aggr
        self.exclude_interacted = exclude_interacted
        self.negative = negative
        self.num_items = rows.num_items
        self.rounding = rows.rounding
        self.user, self.item = user, item
        self.interactions = user * self.num_items + item
        self.first = index2ptr(user, num_users)
        self.history = self.first.diff()
        # The K best entries of a user lie among the K best of each row.
        self.width = (k_a + self.history).clamp(max=self.num_items)
        self.take = torch.full_like(self.width, k_a) if exclude_interacted else self.width
        self.bound = torch.full((num_users,), -torch.inf, device=user.device)

    def best(self) -> tuple[Tensor, Tensor]:
        """Returns the keys and weights of the best entries of all users, sorted by key."""
        cuts = budget_blocks(self.history * (FEW + self.take), self.rows.memory_budget // 256)
        for users, user, item in self._blocks(cuts, "comparing second-order items"):
            self._find_bound(users, user, item)
        self._lengthen()
        best = GrowingTensors(torch.long, torch.float32, device=self.user.device)
        for _, user, item in self._blocks(cuts, "choosing second-order items"):
            best.add(*self._best(user, item))
        key, weight = best.pop()
        return key, weight

    def _blocks(self, cuts: list[slice], text: str) -> Iterator[tuple[slice, Tensor, Tensor]]:
        for step in blocks(len(cuts), 1, text):
            users = cuts[step.start]
            pairs = slice(int(self.first[users.start]), int(self.first[users.stop]))
            yield users, self.user[pairs], self.item[pairs]

    def _find_bound(self, users: slice, user: Tensor, item: Tensor) -> None:
        # The first entries of the rows give a lower bound of the worst of the best.
        few = torch.minimum(self.rows.length[item], FEW + self.take[user] // self.history[user])
        _, value, key = self._entries(user, item, few)
        candidate, key = self._candidates(key)
        owner = key // self.num_items - users.start
        score = _largest(candidate, value, key.numel())
        self.bound[users] = _nth_value(owner, score, self.take[users]) - 2 * self.rounding
        if self.negative == "drop":
            self.bound[users] = self.bound[users].clamp(min=-self.rounding)

    def _lengthen(self) -> None:
        # Rows whose last entry is above the bound of a user may have more of the best.
        end = self.rows.begin + self.rows.length - 1
        last = torch.full_like(end, torch.inf, dtype=torch.float)
        some = self.rows.length > 0
        last[some] = self.rows.values[end[some]]
        short = ~self.rows.is_whole[self.item]
        short &= last[self.item] >= self.bound[self.user] - 2 * self.rounding
        width = torch.zeros_like(end).scatter_reduce(
            0, self.item[short], self.width[self.user[short]], "amax"
        )
        item = width.nonzero().view(-1)
        if item.numel() > 0:
            self.rows.lengthen(item, width[item])

    def _best(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        begin, length = self.rows.begin[item], self.rows.length[item]
        many = _count_at_least(self.rows.values, begin, length, self.bound[user])
        row, value, key = self._entries(user, item, many)
        order = torch.argsort(key, stable=True)
        row, value, key = row[order], value[order], key[order]
        candidate, candidate_key = self._candidates(key)
        score = _largest(candidate, value, candidate_key.numel())
        # Entries that rounding alone may have put below another one of their candidate stay.
        rival = value >= score[candidate] - 2 * self.rounding
        row, key, candidate = row[rival], key[rival], candidate[rival]
        user, owner = torch.unique_consecutive(candidate_key // self.num_items, return_inverse=True)
        take = self.take[user]
        cut = _nth_value(owner, score, take)[owner]
        near = (score - cut).abs() <= 2 * self.rounding
        # A single candidate near the cut has no tie.
        near &= torch.bincount(owner[near], minlength=user.numel())[owner] > 1
        score[near] = -torch.inf
        tied = near[candidate].nonzero().view(-1)
        exact = self.rows.exact(row[tied], key[tied] % self.num_items)
        score.scatter_reduce_(0, candidate[tied], exact, "amax")
        order = order_by_group(owner, score)
        chosen = torch.zeros_like(near)
        chosen[order] = rank_in_group(owner[order]) < take[owner[order]]
        entry = chosen[candidate].nonzero().view(-1)
        return self._weigh(row[entry], key[entry])

    def _weigh(self, row: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        # The ascending keys of entries, each once, and the largest value or the sum of values.
        value = self.rows.weigh(row, key % self.num_items)
        if self.negative == "drop":
            positive = value > 0
            key, value = key[positive], value[positive]
        key, inverse = torch.unique_consecutive(key, return_inverse=True)
        if self.aggr == "max":
            return key, _largest(inverse, value, key.numel())
        total = torch.zeros(key.numel(), dtype=torch.float64, device=key.device)
        return key, total.index_add_(0, inverse, value.double()).float()

    def _candidates(self, key: Tensor) -> tuple[Tensor, Tensor]:
        # The candidate of each entry, and the key of each candidate.
        if self.aggr == "sum":
            return torch.arange(key.numel(), device=key.device), key
        key, candidate = group_keys(key)
        return candidate, key

    def _entries(self, user: Tensor, item: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Row, value and key of the candidates among the first entries of each row.
        position, owner = concat_ranges(self.rows.begin[item], count)
        row, value = item[owner], self.rows.values[position]
        key = user[owner] * self.num_items + self.rows.columns[position]
        if self.exclude_interacted:
            last = self.interactions.numel() - 1
            found = torch.searchsorted(self.interactions, key).clamp(max=last)
            keep = self.interactions[found] != key
            row, value, key = row[keep], value[keep], key[keep]
        return row, value, key


def _largest(group: Tensor, value: Tensor, num_groups: int) -> Tensor:
    # The largest value of each group; none is empty.
    out = value.new_full((num_groups,), -torch.inf)
    return out.scatter_reduce_(0, group, value, "amax")


def _nth_value(group: Tensor, value: Tensor, n: Tensor) -> Tensor:
    # The n-th largest value of each group, minus infinity where a group has fewer.
    order = order_by_group(group, value)
    group, value = group[order], value[order]
    at = rank_in_group(group) == n[group] - 1
    out = torch.full((n.numel(),), -torch.inf, device=value.device)
    out[group[at]] = value[at]
    return out


def _count_at_least(values: Tensor, begin: Tensor, length: Tensor, bound: Tensor) -> Tensor:
    # The number of the descending values from `begin` on that are at least the bound, by bisection.
    low, high = torch.zeros_like(length), length.clone()
    for _ in range(int(length.max()).bit_length() if length.numel() > 0 else 0):
        middle = (low + high) // 2
        at = (begin + middle).clamp(max=values.numel() - 1)
        more = (values[at] >= bound) & (middle < high)
        low, high = torch.where(more, middle + 1, low), torch.where(more, high, middle)
    return low
