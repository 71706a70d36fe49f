import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose
from typing_extensions import Self

from soil_pyg.models.decompose import Decomposition
from soil_pyg.models.graphs import MakeTransform, distinct, features
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.newcomers import mean_of_items, mean_of_neighbours
from soil_pyg.nn import ModalityEncoder, TrainedFeatures
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import ITEM, USER, Triplets
from soil_pyg.utils.checks import check_integer, check_sizes

POSITIONAL = ("num_users", "num_items", "in_channels")
"""The arguments that every model takes by position."""


class Recommender(torch.nn.Module, ABC):
    r"""The contract that the loader, the trainer and the evaluator share with every model.

    The score of a user and an item is the inner product of their embeddings, so one evaluator
    serves all models. A model must define :meth:`forward` and either :meth:`loss`, or
    :meth:`loss_tables` and :meth:`batch_loss`, so that batches share a propagation. It may override
    the hooks :meth:`embed_new_items`, :meth:`embed_new_users` and :meth:`decompose`.

    Args:
        num_users (int): Number of users :math:`U`.
        num_items (int): Number of items :math:`I`.
        in_channels (dict[str, int], optional): Feature dimension of each modality, by its name, in
            the order of their roles. Models without features ignore it. (default: :obj:`None`)

    Raises:
        ValueError: If there are no users or no items, a :attr:`multimodal` model is given no
            modality, or an option is out of its range.
    """

    multimodal: ClassVar[bool] = False
    """Is set if the model reads the features of the items."""

    row_wise: ClassVar[bool] = False
    """Is set if :meth:`forward` computes the embedding of a node from its own rows of the features
    and of :meth:`node_parameters`, from layers, and from products of prepared graphs with such
    rows, so that the :class:`~soil_pyg.training.Trainer` can shard the tables over processes.
    """

    profiles: ClassVar[dict[str, dict[str, Any]]] = {}
    """Named sets of option values, for :meth:`__init__` and :meth:`graph_transform` together."""

    epoch: int = 0
    """The number of finished epochs, which the :class:`~soil_pyg.training.Trainer` sets before
    :meth:`on_epoch_start`.
    """

    options: dict[str, Any]
    """The arguments of :meth:`__init__`, from which the same model can be constructed again."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuses a model that overrides the alias :meth:`graphs`, which nothing would call."""
        super().__init_subclass__(**kwargs)
        if "graphs" in vars(cls):
            raise TypeError(f"{cls.__name__} must override 'graph_transform' (got 'graphs')")

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

    def __init__(
        self, num_users: int, num_items: int, in_channels: dict[str, int] | None = None
    ) -> None:
        super().__init__()
        check_integer("num_users", num_users, 1)
        check_integer("num_items", num_items, 1)
        if in_channels is not None:
            check_sizes("in_channels", in_channels)
        self.num_users = num_users
        self.num_items = num_items
        self.in_channels = dict(in_channels or {})
        if self.multimodal and not self.in_channels:
            raise ValueError("'in_channels' must name at least one modality (got none)")
        if "training" in self.in_channels:
            raise ValueError("'in_channels' must not name a modality 'training', as PyTorch does")

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

    @abstractmethod
    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        r"""Returns the embeddings of all users :math:`(U, d)` and of all items :math:`(I, d)`.

        Nothing is drawn at random. Both may be sparse COO tensors, for models whose score is a
        product of sparse matrices.
        """

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the weighted terms of the loss by name; their sum is minimised.

        Noise and dropout are drawn here and in training mode only. A model without parameters
        returns an empty dictionary and is not trained. The default is :meth:`batch_loss` on the
        :meth:`loss_tables` of the batch.
        """
        users, row = distinct(batch.user)
        tables = self.loss_tables(data, users)
        return self.batch_loss(tables, Triplets(row, batch.positive, batch.negative))

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Propagates, once per step of the :class:`~soil_pyg.training.Trainer`, and returns the
        tables whose rows :meth:`batch_loss` reads.

        Args:
            data (HeteroData): The data, with the graphs of the model.
            users (Tensor): The users of the batches, one row each in the tables of users.
        """
        raise NotImplementedError(
            f"{self.__class__.__name__} must define 'loss', or 'loss_tables' and 'batch_loss'"
        )

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the weighted terms of the loss of a batch, whose nodes are rows of the tables:
        each of its distinct users is one row, and each of its items.
        """
        raise NotImplementedError

    def item_features(self, data: HeteroData, modality: str) -> Tensor:
        """Returns the features of the items in a modality, in the precision of the parameters, or
        raises :class:`ValueError` if they do not match the model.
        """
        weight = getattr(getattr(self, "item_embedding", None), "weight", None)
        num_items = len(weight) if isinstance(weight, Tensor) else None
        x = features(data, modality, self.in_channels[modality], num_items)
        return x.to(next(self.parameters()).dtype)

    def node_parameters(self) -> dict[str, str]:
        """Returns the node type of every parameter with one row per node, by its name.

        To train on a partition of the data, :meth:`loss` is given only the rows of its nodes. The
        default names the tables :obj:`user_embedding` and :obj:`item_embedding`, the trained
        features of the items and the preferences of the users; a model with further tables adds
        them.
        """
        tables = {"user_embedding.weight": USER, "item_embedding.weight": ITEM}
        for name, module in self.named_modules():
            if isinstance(module, TrainedFeatures):
                tables[f"{name}.offset.weight"] = ITEM
            if isinstance(module, ModalityEncoder):
                tables[f"{name}.preference.weight"] = USER
        return {name: tables[name] for name, _ in self.named_parameters() if name in tables}

    def on_epoch_start(self, data: HeteroData) -> None:
        """Called before every epoch, for models that change the graphs in the data."""

    def reset_parameters(self) -> None:
        """Draws the initial parameters again from torch's global generator."""

    def embed_new_items(
        self,
        data: HeteroData,
        make_transform: MakeTransform,
        item_emb: Tensor,
        features: dict[str, Tensor],
        neighbours: dict[str, Adjacency],
    ) -> Tensor:
        r"""Returns the embeddings of :math:`N` items without interactions, of shape :math:`(N, d)`,
        for :func:`soil_pyg.add_items`.

        The default is :func:`~soil_pyg.models.newcomers.mean_of_neighbours`: the mean of the
        neighbours' embeddings weighted by similarity, averaged over the modalities.

        Args:
            data (HeteroData): The training data, with or without its graphs.
            make_transform (callable): Returns :meth:`graph_transform` with the options of the run;
                to be called only if the graphs are needed.
            item_emb (Tensor): The final embeddings of all items; later ones, which are not in the
                data, come last.
            features (dict[str, Tensor]): The features of the new items by modality; a row of zeros
                is a missing modality.
            neighbours (dict[str, Adjacency]): The similarities :math:`(N, I)` of the new items to
                their nearest items in the data, by modality.

        Raises:
            ValueError: If the embeddings are sparse.
        """
        self._check_dense(item_emb, "items")
        return mean_of_neighbours(neighbours, item_emb[: self.num_items])

    def embed_new_users(
        self,
        data: HeteroData,
        make_transform: MakeTransform,
        item_emb: Tensor,
        edge_index: Tensor,
        num_new_users: int,
    ) -> Tensor:
        r"""Returns the embeddings of :math:`N` users with a few interactions, of shape
        :math:`(N, d)`, for :func:`soil_pyg.add_users`.

        The default is the mean of the final embeddings of the items of each user.

        Args:
            data (HeteroData): See :meth:`embed_new_items`.
            make_transform (callable): See :meth:`embed_new_items`.
            item_emb (Tensor): See :meth:`embed_new_items`.
            edge_index (Tensor): The distinct interactions of the new users, numbered from 0.
            num_new_users (int): The number :math:`N`; each user has at least one interaction.

        Raises:
            ValueError: If the embeddings are sparse.
        """
        self._check_dense(item_emb, "users")
        return mean_of_items(edge_index, num_new_users, item_emb)

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits the embeddings into the summands that :func:`soil_pyg.explain` shows.

        The default raises :class:`ValueError`: only the model defines how its score splits.
        """
        name = self.__class__.__name__
        raise ValueError(f"'explain' cannot split the score: {name} does not define 'decompose'")

    def _check_dense(self, emb: Tensor, nodes: str) -> None:
        if emb.is_sparse:
            raise ValueError(
                f"{self.__class__.__name__} cannot embed new {nodes}: its embeddings are sparse "
                f"and it does not define 'embed_new_{nodes}'"
            )
