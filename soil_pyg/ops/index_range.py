import torch
from torch import Tensor


def check_range(name: str, index: Tensor, size: int | None) -> None:
    """Raises :class:`ValueError` unless all indices are at least 0 and less than the size, if it is
    known.
    """
    low, high = (int(end) for end in torch.aminmax(index)) if index.numel() > 0 else (0, -1)
    if low < 0 or (size is not None and high >= size):
        limit = "" if size is None else f" and less than {size}"
        raise ValueError(f"{name} must be at least 0{limit} (got {low}..{high})")
