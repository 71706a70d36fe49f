from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def first_derivative(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wraps the backward pass of a function that has a first derivative only, so that it raises
    :class:`NotImplementedError` where a second one is to be computed.

    The decorator of torch lets it pass if the incoming gradient is constant; the second derivative
    is then zero instead of an error.
    """

    def decorate(backward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(backward)
        def run(ctx: Any, *grads: Any) -> Any:
            if torch.is_grad_enabled():
                raise NotImplementedError(
                    f"{name} has no second derivative: leave 'create_graph=True' out"
                )
            return backward(ctx, *grads)

        return run

    return decorate
