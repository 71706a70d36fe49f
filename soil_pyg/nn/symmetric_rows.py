from collections import defaultdict
from collections.abc import Iterator
from math import isqrt

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
        >>> import torch
        >>> for rows in symmetric_rows(torch.tensor([[1.0], [2.0], [3.0]]), num_rows=2):
        ...     print(rows.tolist())
        [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]
        [[3.0, 6.0, 9.0]]
    """
    num_nodes = c.size(0)
    group_size = num_rows
    if c.device.type == "cpu":
        # Of a group of rows a quarter of its square is kept at the most.
        most = isqrt(4 * memory_budget // c.element_size())
        group_size *= max(1, most // num_rows)
    for begin in range(0, num_nodes, group_size):
        end = min(begin + group_size, num_nodes)
        if end - begin > num_rows:
            yield from _rows_of_group(c, begin, end, num_rows)
        else:
            yield product(c[begin:end], c)


def _rows_of_group(c: Tensor, begin: int, end: int, num_rows: int) -> Iterator[Tensor]:
    blocks = [slice(start, min(start + num_rows, end)) for start in range(begin, end, num_rows)]
    above: dict[int, list[Tensor]] = defaultdict(list)
    for number, block in enumerate(blocks):
        part = c[block]
        rows = c.new_empty(part.size(0), c.size(0))
        for columns in (slice(0, begin), slice(end, c.size(0))):
            if columns.start < columns.stop:
                rows[:, columns] = product(part, c[columns])
        for columns, tile in zip(blocks, above.pop(number, []), strict=False):
            # Two steps, as torch transposes faster into memory of its own.
            rows[:, columns] = tile.t().contiguous()
        for later in range(number, len(blocks)):
            tile = product(part, c[blocks[later]])
            rows[:, blocks[later]] = tile
            if later > number:
                above[later].append(tile)
        yield rows
