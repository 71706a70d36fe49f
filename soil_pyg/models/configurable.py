import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose
from typing_extensions import Self

from soil_pyg.typing import ITEM, USER, features_of
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.hetero import check_hetero

POSITIONAL = ("num_users", "num_items", "in_channels")
"""The arguments that every model takes by position."""


class Configurable(torch.nn.Module):
    """A model whose options, and those of its graphs, are read from signatures."""

    profiles: ClassVar[dict[str, dict[str, Any]]] = {}
    """Named sets of option values, for :meth:`__init__` and :meth:`graph_transform` together."""

    options: dict[str, Any]
    """The arguments of :meth:`__init__`, from which the same model can be constructed again."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuses a model that overrides the alias :meth:`graphs`, which nothing would call."""
        super().__init_subclass__(**kwargs)
        if "graphs" in vars(cls):
            raise TypeError(f"{cls.__name__} must override 'graph_transform' (got 'graphs')")

    def __init__(self) -> None:
        super().__init__()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Stores the arguments as :attr:`options`."""
        model = super().__new__(cls)
        parameters = cls.model_parameters()
        bound = inspect.Signature(list(parameters.values())).bind_partial(*args, **kwargs)
        bound.apply_defaults()
        options = dict(bound.arguments)
        for parameter in parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                options.update(options.pop(parameter.name))
            elif parameter.kind is parameter.VAR_POSITIONAL:
                values = options.pop(parameter.name)
                names = [name for name in POSITIONAL if name not in options]
                options.update(zip(names, values, strict=False))
        model.__dict__["options"] = options
        return model

    @classmethod
    def profile_options(cls, profile: str, consumer: Callable[..., Any]) -> dict[str, Any]:
        """Returns the options of a profile that a class or function, such as the model's class,
        accepts, or raises :class:`ValueError` if the model has no such profile.
        """
        if profile not in cls.profiles:
            raise ValueError(f"'profile' must be one of {list(cls.profiles)} (got {profile!r})")
        is_own = consumer is cls
        accepted = cls.model_parameters() if is_own else inspect.signature(consumer).parameters
        return {name: value for name, value in cls.profiles[profile].items() if name in accepted}

    @classmethod
    def from_data(cls, data: HeteroData, profile: str | None = None, **options: Any) -> Self:
        """Constructs a model with the sizes of the data: its users, its items and the channels of
        each modality of the items.

        Args:
            data (HeteroData): The data.
            profile (str, optional): The profile whose options are the defaults.
                (default: :obj:`None`, those of the model)
            **options (optional): The arguments of the model.

        Raises:
            ValueError: If the graph is homogeneous, or an argument or the profile is invalid.
        """
        check_hetero(data)
        in_channels = {name: x.size(1) for name, x in features_of(data).items()}
        options = ({} if profile is None else cls.profile_options(profile, cls)) | options
        # The arguments are those of the subclass.
        return cls(  # type: ignore[call-arg]
            count_nodes(data, USER), count_nodes(data, ITEM), in_channels, **options
        )

    @classmethod
    def from_profile(cls, profile: str, *args: Any, **kwargs: Any) -> Self:
        """Constructs a model with the options of a profile as its defaults."""
        return cls(*args, **{**cls.profile_options(profile, cls), **kwargs})

    @classmethod
    def model_parameters(cls, eval_str: bool = False) -> dict[str, inspect.Parameter]:
        """Returns the arguments of :meth:`__init__` by name; :obj:`eval_str` evaluates annotations
        that are strings.
        """
        # For a class that inherits __init__, Python 3.10 and 3.11.2 report the one of __new__.
        signature = inspect.signature(cls.__init__, eval_str=eval_str)
        return dict(list(signature.parameters.items())[1:])

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that adds the graphs which :meth:`forward` reads to the data."""
        return Compose([])

    @classmethod
    def graphs(cls, *args: Any, **kwargs: Any) -> BaseTransform:
        """Calls :meth:`graph_transform`, for which this is a short name."""
        return cls.graph_transform(*args, **kwargs)

    @classmethod
    def graph_transform_parameters(cls) -> dict[str, inspect.Parameter]:
        """Returns the options of :meth:`graph_transform` by name.

        If it takes :obj:`**options`, they are those of the transform in its return annotation.
        """
        signature = inspect.signature(cls.graph_transform, eval_str=True)
        if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            signature = inspect.signature(signature.return_annotation, eval_str=True)
        return dict(signature.parameters)
