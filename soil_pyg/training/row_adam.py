from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from soil_pyg.utils._private import sparse_rows
from soil_pyg.utils.checks import check_at_least


class RowAdam(Adam):
    r"""Adam that updates only the rows of a table that have a gradient, if it is sparse.

    The other rows keep their values and their moments, as in :class:`torch.optim.SparseAdam`,
    which supports neither dense gradients beside sparse ones nor :obj:`weight_decay`. The cost of
    a step is proportional to the number of updated rows. A sparse gradient must hold each row at
    most once.

    Args:
        params (iterable): The parameters, or groups of them.
        lr (float, optional): The learning rate. (default: :obj:`1e-3`)
        weight_decay (float, optional): The L2 penalty of the updated rows. (default: :obj:`0.0`)
        betas (tuple[float, float], optional): The decay of both moments.
            (default: :obj:`(0.9, 0.999)`)
        eps (float, optional): The number that is added to the divisor. (default: :obj:`1e-8`)

    Example:
        >>> table = torch.nn.Parameter(torch.zeros(3, 2))
        >>> table.grad = torch.sparse_coo_tensor([[1]], torch.ones(1, 2), (3, 2))
        >>> RowAdam([table], lr=0.5).step()
        >>> table.tolist()
        [[0.0, 0.0], [-0.5, -0.5], [0.0, 0.0]]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        check_at_least("lr", lr, 0)
        check_at_least("weight_decay", weight_decay, 0)
        super().__init__(params, lr, betas, eps, weight_decay)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes a step; a closure recomputes the loss, which is returned, and the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        sparse = []
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None and table.grad.is_sparse:
                    sparse.append((table, table.grad))
                    self._step_rows(table, table.grad, group)
                    table.grad = None
        super().step()
        for table, grad in sparse:
            table.grad = grad
        return loss

    def _step_rows(self, table: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[table]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(table), torch.zeros_like(table)
        state["step"] += 1
        step = state["step"].item()
        index, grad = sparse_rows(grad)
        row = table.index_select(0, index)
        if group["weight_decay"] != 0:
            grad = grad.add(row, alpha=group["weight_decay"])
        beta1, beta2 = group["betas"]
        mean = state["exp_avg"].index_select(0, index).lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].index_select(0, index).mul_(beta2)
        square.addcmul_(grad, grad, value=1 - beta2)
        state["exp_avg"].index_copy_(0, index, mean)
        state["exp_avg_sq"].index_copy_(0, index, square)
        scale = square.div_(1 - beta2**step).sqrt_().add_(group["eps"])
        row.addcdiv_(mean, scale, value=-group["lr"] / (1 - beta1**step))
        table.index_copy_(0, index, row)
