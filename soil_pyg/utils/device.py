from collections.abc import Collection

import torch

from soil_pyg.utils.checks import check_choice


def resolve_device(
    name: str, argument: str = "device", supported: Collection[str] | None = None
) -> torch.device:
    """Returns the device that a name in torch stands for.

    :obj:`"auto"` stands for the accelerator if there is a supported one and for the CPU otherwise;
    all types of devices are supported by default. Raises :class:`ValueError` that names the
    argument if this machine has no such device or its type is not supported.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        found = torch.accelerator.current_accelerator()
        if found is None or not torch.accelerator.is_available():
            return torch.device("cpu")
        return found if supported is None or found.type in supported else torch.device("cpu")
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"'{argument}' must be a device of this machine (got {name!r}: {reason})"
        ) from None
    if supported is not None:
        check_choice(argument, device.type, supported)
    return device
