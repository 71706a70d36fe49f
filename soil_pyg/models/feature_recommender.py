from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict

from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.nn import TrainedFeatures


class FeatureRecommender(EmbeddingRecommender):
    """A model that trains the features of the items beside the embeddings.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
    """

    multimodal = True
    features: ModuleDict
    """The trained features by modality."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        self.features = ModuleDict(
            {m: TrainedFeatures(num_items, size) for m, size in self.in_channels.items()}
        )

    def reset_parameters(self) -> None:
        """Draws the embeddings again (Xavier uniform) and sets the features to the given ones."""
        super().reset_parameters()
        reset(self.features)

    def trained_features(self, data: HeteroData, modality: str) -> Tensor:
        """Returns the trained features of the items in a modality."""
        x: Tensor = self.features[modality](self.item_features(data, modality))
        return x
