import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose
from typing_extensions import Self

from soil_pyg.nn import TrainedFeatures
from soil_pyg.typing import ITEM, USER, Triplets

POSITIONAL = ("num_users", "num_items", "in_channels")
"""The arguments that every model takes by position."""


class Recommender(torch.nn.Module, ABC):
    r"""The contract that the loader, the trainer and the evaluator share with every model.

    The score of a user and an item is the inner product of their embeddings, so one evaluator
    serves all models.

    Args:
        num_users (int): Number of users :math:`U`.
        num_items (int): Number of items :math:`I`.
        in_channels (dict[str, int], optional): Feature dimension of each modality, by its name.
            The order tells their roles where a model has roles; models without features ignore
            it. (default: :obj:`None`)

    Raises:
        ValueError: If there are no users or no items, or a model that is :attr:`multimodal` is
            given no modality.
    """

    multimodal: ClassVar[bool] = False
    """Whether the model reads the features of the items."""

    profiles: ClassVar[dict[str, dict[str, Any]]] = {}
    """Named sets of option values, for :meth:`__init__` and :meth:`graph_transform` together."""

    options: dict[str, Any]
    """The arguments that the model was made with, to make it again."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keeps the arguments as :attr:`options`."""
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

    def __init__(
        self, num_users: int, num_items: int, in_channels: dict[str, int] | None = None
    ) -> None:
        super().__init__()
        for name, size in {"num_users": num_users, "num_items": num_items}.items():
            if size < 1:
                raise ValueError(f"'{name}' must be at least 1 (got {size})")
        self.num_users = num_users
        self.num_items = num_items
        self.in_channels = dict(in_channels or {})
        if self.multimodal and not self.in_channels:
            raise ValueError("'in_channels' must name at least one modality (got none)")
        if "training" in self.in_channels:
            raise ValueError("'in_channels' must not name a modality 'training', as PyTorch does")

    @classmethod
    def profile_options(cls, profile: str, maker: Callable[..., Any]) -> dict[str, Any]:
        """Returns those options of a profile that a class or function takes.

        Args:
            profile (str): The name of the profile.
            maker (callable): What takes the options, e.g. the model's class.

        Raises:
            ValueError: If the model has no such profile.
        """
        if profile not in cls.profiles:
            raise ValueError(f"'profile' must be one of {list(cls.profiles)} (got {profile!r})")
        taken = cls.model_parameters() if maker is cls else inspect.signature(maker).parameters
        return {name: value for name, value in cls.profiles[profile].items() if name in taken}

    @classmethod
    def from_profile(cls, profile: str, *args: Any, **kwargs: Any) -> Self:
        """Makes a model with the options of a profile, unless given otherwise.

        Args:
            profile (str): The name of the profile.
            *args (optional): Arguments of the model.
            **kwargs (optional): Options of the model.
        """
        return cls(*args, **{**cls.profile_options(profile, cls), **kwargs})

    @classmethod
    def model_parameters(cls, eval_str: bool = False) -> dict[str, inspect.Parameter]:
        """Returns the arguments of :meth:`__init__` by name.

        Args:
            eval_str (bool, optional): Whether annotations that are strings are evaluated.
                (default: :obj:`False`)
        """
        # Asked about a class that inherits __init__, Python 3.10 and 3.11.2 tell of __new__.
        signature = inspect.signature(cls.__init__, eval_str=eval_str)
        return dict(list(signature.parameters.items())[1:])

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that makes the graphs which :meth:`forward` reads."""
        return Compose([])

    @classmethod
    def graphs(cls, *args: Any, **kwargs: Any) -> BaseTransform:
        """Calls :meth:`graph_transform`, of which this is the short name."""
        return cls.graph_transform(*args, **kwargs)

    @classmethod
    def graph_transform_parameters(cls) -> dict[str, inspect.Parameter]:
        """Returns the options of :meth:`graph_transform` by name.

        Where it passes them on, they are those of the transform that it is annotated to return.
        """
        signature = inspect.signature(cls.graph_transform, eval_str=True)
        parameters = dict(signature.parameters)
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            parameters = dict(
                inspect.signature(signature.return_annotation, eval_str=True).parameters
            )
        return parameters

    @abstractmethod
    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        r"""Returns the embeddings of all users :math:`(U, d)` and of all items :math:`(I, d)`.

        Nothing is drawn at random. Both may be sparse COO tensors, for models whose score is a
        product of sparse matrices.
        """

    @abstractmethod
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the weighted terms of the loss by name; their sum is minimised.

        Noise and dropout are drawn here and in training mode only. A model without parameters
        returns an empty dictionary and is not trained.
        """

    def node_parameters(self) -> dict[str, str]:
        """Returns the node type of each parameter that has a row a node, by the parameter's name.

        To train on a part of the data, :meth:`loss` is given these rows of the part's nodes only,
        in the same places. By default they are the tables :obj:`user_embedding` and
        :obj:`item_embedding` and the trained features of items; a model with further ones adds
        them.
        """
        tables = {"user_embedding.weight": USER, "item_embedding.weight": ITEM}
        for name, module in self.named_modules():
            if isinstance(module, TrainedFeatures):
                tables[f"{name}.offset.weight"] = ITEM
        return {name: tables[name] for name, _ in self.named_parameters() if name in tables}

    def on_epoch_start(self, data: HeteroData) -> None:
        """Called before every epoch, for models that change their graphs, which are in the data."""

    def reset_parameters(self) -> None:
        """Draws the initial parameters anew from torch's global generator."""
