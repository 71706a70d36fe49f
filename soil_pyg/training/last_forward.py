from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class LastForward:
    """Keeps the weights that the last batch of an epoch is computed with, to validate them in place
    of those after its step.

    Args:
        model (torch.nn.Module): The model.
        is_used (bool): If set to :obj:`False`, keeps nothing.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> last = LastForward(model, is_used=True)
        >>> with torch.no_grad():
        ...     _ = model.weight.fill_(1.0)
        ...     last.keep()
        ...     _ = model.weight.fill_(2.0)
        >>> with last.weights():
        ...     model.weight.item()
        1.0
        >>> model.weight.item()
        2.0
    """

    def __init__(self, model: torch.nn.Module, is_used: bool) -> None:
        self._parameters = list(model.parameters()) if is_used else []
        self._kept: list[Tensor] = []

    def keep(self) -> None:
        """Copies the current weights."""
        self._kept = [parameter.detach().clone() for parameter in self._parameters]

    @contextmanager
    def weights(self) -> Iterator[None]:
        """Gives the model the kept weights within a block, and then its own again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()
            self._kept.clear()

    def _swap(self) -> None:
        for place, parameter in enumerate(self._parameters):
            self._kept[place], parameter.data = parameter.data, self._kept[place]
