from collections.abc import Callable

import torch
from torch import Tensor

from soil_pyg.models.decompose import Decomposition, FirstHops, Summands
from soil_pyg.models.explanation import CONTENT, OWN, SIMILAR_USERS
from soil_pyg.models.graphs import PairTensor


class PreferenceDecomposition(Decomposition):
    """The summands of the embeddings of a model with preferences per modality.

    Those of a user in a modality are the own preference and the messages of the items; what similar
    users add is one more summand.

    Args:
        content ((Tensor, Tensor)): The final embeddings of users and of items.
        similar (Tensor): What similar users add to the embeddings of users.
        views (dict[str, (Tensor, Tensor)]): By modality, the preferences of users and the
            embeddings that items send over an edge of weight 1.
        weight (Tensor): The weights of users, one column per modality.
        combine (callable): Returns the embeddings of users given those in each modality, in which
            it is linear, and the weights of the users.
        hops (FirstHops): The edges over which the messages come.
        items (dict[str, Tensor]): The summands of the embeddings of items by modality; if they have
            fewer channels, they are parts that the embedding joins.
    """

    def __init__(
        self,
        content: PairTensor,
        similar: Tensor,
        views: dict[str, PairTensor],
        weight: Tensor,
        combine: Callable[[list[Tensor], Tensor], Tensor],
        hops: FirstHops,
        items: dict[str, Tensor],
    ) -> None:
        self.preferences = views
        self.weight = weight
        self.combine = combine
        self.items = items
        super().__init__(content, own=similar, hops=hops)

    def of_user(self, user: int) -> list[Summands]:
        """Returns the summands of the embedding of a user."""
        assert self.hops is not None
        edges, nothing = self.hops.of_user(user), torch.tensor([-1])
        parts = []
        for modality, (own, sent) in self.preferences.items():
            vector = self._place(modality, user, own[user : user + 1])
            parts.append(Summands(OWN, modality, nothing, vector))
            for kind, item, weight in edges:
                vector = self._place(modality, user, weight * sent[item])
                parts.append(Summands(kind, modality, item, vector))
        if self.own.any():
            parts.append(Summands(SIMILAR_USERS, CONTENT, nothing, self.own[user : user + 1]))
        return parts

    def of_item(self, item: int) -> dict[str, Tensor]:
        """Returns the summands of the embedding of an item by modality."""
        out, begin, size = {}, 0, self.content[1].size(1)
        for modality, x in self.items.items():
            part = x[item]
            if len(part) < size:
                part = self.content[1].new_zeros(size)
                part[begin : begin + x.size(1)] = x[item]
                begin += x.size(1)
            out[modality] = part
        return out

    def _place(self, modality: str, user: int, x: Tensor) -> Tensor:
        # The summands of the combined embedding that come from one modality.
        views = [x if name == modality else torch.zeros_like(x) for name in self.preferences]
        return self.combine(views, self.weight[user : user + 1])
