"""The device that an encoder computes on."""

import torch


def find_device(device: str) -> torch.device:
    """Returns the device of a name.

    Args:
        device (str): Its name in torch; :obj:`"auto"` is an accelerator if there is one.

    Raises:
        ValueError: If there is no such device.
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator()
        has_one = accelerator is not None and torch.accelerator.is_available()
        return accelerator if has_one and accelerator else torch.device("cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"'device' must be a device of this machine (got {device!r}: {reason})"
        ) from None
