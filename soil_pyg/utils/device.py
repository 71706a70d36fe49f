from collections.abc import Collection

import torch


def resolve_device(
    name: str, argument: str = "device", supported: Collection[str] | None = None
) -> torch.device:
    """Returns the device of a name.

    Args:
        name (str): The name in torch. :obj:`"auto"` stands for the accelerator, or for the CPU
            where there is none.
        argument (str, optional): The argument that holds the name, for errors.
            (default: :obj:`"device"`)
        supported (collection of str, optional): The types of device that may be used.
            (default: :obj:`None`, all)

    Raises:
        ValueError: If this machine has no such device, or its type is not supported.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator()
        if accelerator is None or not torch.accelerator.is_available():
            return torch.device("cpu")
        return (
            accelerator
            if supported is None or accelerator.type in supported
            else torch.device("cpu")
        )
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"'{argument}' must be a device of this machine (got {name!r}: {reason})"
        ) from None
    if supported is not None and device.type not in supported:
        raise ValueError(f"'{argument}' must be one of {', '.join(supported)} (got {name!r})")
    return device
