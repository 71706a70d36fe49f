from collections import defaultdict
from collections.abc import Iterator
from math import isqrt

import torch
from torch import Tensor

from soil_pyg.nn.product import product


def symmetric_rows(c: Tensor, num_rows: int, memory_budget: int = 2**27) -> Iterator[Tensor]:
    r"""Yields the rows of :math:`\mathbf{C} \mathbf{C}^{\top}`, from the first to the last.

    On a CPU most products are made once: what lies right of the diagonal is kept until the rows
    below it need it. The more memory there is, the more rows share their products.

    Args:
        c (Tensor): The matrix, of shape :obj:`[num_nodes, channels]`.
        num_rows (int): How many rows are yielded at a time; the last time there may be fewer.
        memory_budget (int, optional): Bytes that what is kept may take. (default: :obj:`2**27`)

    Returns:
        Tensors of shape :obj:`[num_rows, num_nodes]`.

    Example:
        >>> for rows in symmetric_rows(torch.tensor([[1.0], [2.0], [3.0]]), num_rows=2):
        ...     print(rows.tolist())
        [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]
        [[3.0, 6.0, 9.0]]
    """
    num_nodes = c.size(0)
    # Of a group of rows a quarter of its square is kept at the most.
    size = isqrt(4 * memory_budget // c.element_size()) if c.device.type == "cpu" else 0
    size = max(1, size // num_rows) * num_rows
    for begin in range(0, num_nodes, size):
        yield from _rows_of_group(c, begin, min(begin + size, num_nodes), num_rows)


def _rows_of_group(c: Tensor, begin: int, end: int, num_rows: int) -> Iterator[Tensor]:
    kept: dict[int, list[Tensor]] = defaultdict(list)
    for start in range(begin, end, num_rows):
        stop = min(start + num_rows, end)
        if end - begin <= num_rows:
            yield product(c[start:stop], c)
            continue
        rows = c.new_empty(stop - start, c.size(0))
        if begin > 0:
            rows[:, :begin] = product(c[start:stop], c[:begin])
        if start > begin:
            # Two steps, as torch transposes faster into memory of its own.
            rows[:, begin:start] = torch.cat(kept.pop(start)).t().contiguous()
        right = product(c[start:stop], c[start:])
        rows[:, start:] = right
        for later in range(stop, end, num_rows):
            last = min(later + num_rows, end)
            kept[later].append(right[:, later - start : last - start].clone())
        yield rows
