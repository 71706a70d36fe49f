from abc import ABC, abstractmethod
from functools import partial
from typing import ClassVar, final

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.batch_nodes import distinct
from soil_pyg.models.configurable import Configurable
from soil_pyg.models.decompose import Decomposition
from soil_pyg.models.graphs import MakeTransform, features
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.newcomers import NewUserEmbedder, mean_of_items, mean_of_neighbours
from soil_pyg.nn import ModalityEncoder, TrainedFeatures
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import ITEM, USER, Triplets
from soil_pyg.utils.checks import check_integer, check_sizes


class Recommender(Configurable, ABC):
    r"""The contract that the loader, the trainer and the evaluator share with every model.

    The score of a user and an item is the inner product of their embeddings, so one evaluator
    serves all models. A model must define :meth:`forward` and either :meth:`loss`, or
    :meth:`loss_tables` and :meth:`batch_loss`, so that batches share a propagation. It may override
    the hooks :meth:`embed_new_items`, :meth:`new_user_embedder` and :meth:`decompose`.

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

    epoch: int = 0
    """The number of finished epochs, which the :class:`~soil_pyg.training.Trainer` sets before
    :meth:`on_epoch_start`.
    """

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
        return x.to(next(self.parameters(), x).dtype)

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
        self._check_dense(item_emb, "items", "embed_new_items")
        return mean_of_neighbours(neighbours, item_emb[: self.num_items])

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        """Computes what does not depend on new users, and returns the function that embeds them: it
        takes the last two arguments of :meth:`embed_new_users`. A server keeps it.

        The default takes the mean of the final embeddings of the items of each user. Arguments and
        errors are those of :meth:`embed_new_items`.
        """
        self._check_dense(item_emb, "users", "new_user_embedder")
        return partial(mean_of_items, item_emb)

    @final
    def embed_new_users(
        self,
        data: HeteroData,
        make_transform: MakeTransform,
        item_emb: Tensor,
        edge_index: Tensor,
        num_new_users: int,
    ) -> Tensor:
        r"""Returns the embeddings of :math:`N` users with a few interactions, of shape
        :math:`(N, d)`, by one call of :meth:`new_user_embedder`.

        Args:
            data (HeteroData): See :meth:`embed_new_items`.
            make_transform (callable): See :meth:`embed_new_items`.
            item_emb (Tensor): See :meth:`embed_new_items`.
            edge_index (Tensor): The distinct interactions of the new users, numbered from 0.
            num_new_users (int): The number :math:`N`; each user has at least one interaction.
        """
        return self.new_user_embedder(data, make_transform, item_emb)(edge_index, num_new_users)

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits the embeddings into the summands that :func:`soil_pyg.explain` shows.

        The default raises :class:`ValueError`: only the model defines how its score splits.
        """
        name = self.__class__.__name__
        raise ValueError(f"'explain' cannot split the score: {name} does not define 'decompose'")

    def _check_dense(self, emb: Tensor, nodes: str, hook: str) -> None:
        if emb.is_sparse:
            raise ValueError(
                f"{self.__class__.__name__} cannot embed new {nodes}: its embeddings are sparse "
                f"and it does not define '{hook}'"
            )
