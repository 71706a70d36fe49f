"""A digest of all that decides the output of a network."""

import types
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.nn import Module

from soil_pyg.datasets.digest import array_digest
from soil_pyg.utils.files import bytes_digest


def module_digest(module: Module) -> str:
    """Returns a digest of the weights, the options and the code of a network.

    The code of torch itself does not count. A value that has no text of its own, such as an object
    at an address, gives another digest in each process.

    Example:
        >>> from torch.nn import Dropout
        >>> module_digest(Dropout(0.1)) == module_digest(Dropout(0.5))
        False
    """
    return bytes_digest(text.encode() for text in _parts(module))[:16]


def _parts(module: Module) -> Iterator[str]:
    yield repr(module)
    for name, value in module.state_dict().items():
        yield f"{name} {_described(value)}"
    for name, part in module.named_modules():
        for cls in type(part).__mro__:
            if cls.__module__.partition(".")[0] in ("torch", "builtins"):
                break
            yield f"{name} {cls.__module__}.{cls.__qualname__}"
            yield from (f"{key} {_described(value)}" for key, value in vars(cls).items())
        # The names of torch's own begin with an underscore.
        yield from (
            f"{name} {key} {_described(value)}"
            for key, value in vars(part).items()
            if not key.startswith("_") and key != "training"
        )


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return array_digest(value.detach().float().cpu().numpy())
    if isinstance(value, Mapping):
        return str([(str(key), _described(entry)) for key, entry in value.items()])
    if isinstance(value, list | tuple):
        return str([_described(entry) for entry in value])
    if isinstance(value, staticmethod | classmethod):
        return _described(value.__func__)
    if isinstance(value, property):
        return _described(value.fget)
    if isinstance(value, types.FunctionType):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        # A function may hold itself.
        outer = [_code(v.__code__) if isinstance(v, types.FunctionType) else v for v in held]
        defaults = value.__defaults__, value.__kwdefaults__ or {}
        return f"{value.__qualname__} {_code(value.__code__)} {_described([*defaults, *outer])}"
    if isinstance(value, types.GetSetDescriptorType):
        return value.__name__
    return f"{type(value).__qualname__} {value!r}"


def _code(code: types.CodeType) -> str:
    constants = [
        _code(constant) if isinstance(constant, types.CodeType) else repr(constant)
        for constant in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
