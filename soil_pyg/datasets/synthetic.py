import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.hetero_dataset import HeteroDataset
from soil_pyg.datasets.interactions import sort_pairs, to_hetero_data
from soil_pyg.datasets.pair_filter import latest_of_pairs
from soil_pyg.datasets.split import random_split
from soil_pyg.utils.checks import (
    check_at_least,
    check_between,
    check_flag,
    check_integer,
    check_sizes,
)

DEFAULT_MODALITIES = {"image": 64, "text": 32}
MIN_INTERACTIONS = 5
"""The number of draws of every user, as in the 5-core data sets of the literature."""


class SyntheticMultimodal(HeteroDataset):
    r"""A seeded data set whose users are attracted by items that look like those they chose.

    The popularity of items falls as a power of their rank. Each item belongs to one of
    :obj:`num_communities` communities and, independently, to a style of :obj:`style_size` items.
    Its features in each modality are the centre of its style plus noise. Each user has two
    communities and draws a share :math:`1 - s` of the interactions from them by popularity. The
    share :math:`s`, the strength of the second-order interest, is drawn from the styles of those
    items. If :math:`s = 0`, features and interactions are independent.

    The interactions of each user are split 8:1:1 at random.

    Args:
        num_users (int): The number of users. (default: :obj:`2000`)
        num_items (int): The number of items. (default: :obj:`1000`)
        interactions_per_user (float): The mean number of interactions drawn per user, at least 5;
            pairs drawn twice count once. (default: :obj:`12.0`)
        modalities (mapping, optional): The number of feature channels per modality.
            (default: :obj:`{"image": 64, "text": 32}`)
        strength (float): The strength :math:`s` of the second-order interest, between 0 and 1.
            (default: :obj:`0.4`)
        noise (float): The standard deviation of the noise, relative to the centres.
            (default: :obj:`0.5`)
        missing (float): The share of items without features, per modality. (default: :obj:`0.0`)
        popularity_exponent (float): The exponent of the popularity. (default: :obj:`0.8`)
        num_communities (int): The number of communities. (default: :obj:`20`)
        style_size (int): The number of items per style. (default: :obj:`8`)
        seed (int): The seed of all draws. (default: :obj:`0`)
        root (str or os.PathLike, optional): The folder for processed data; :obj:`None` stores
            nothing. (default: :obj:`None`)
        transform, pre_transform, force_reload (optional): See :class:`HeteroDataset`.

    Raises:
        ValueError: If a size is less than 1 or a share is not between 0 and 1.

    Example:
        >>> data = SyntheticMultimodal(num_users=100, num_items=50, modalities={"audio": 8})[0]
        >>> data["item"].x_audio.size()
        torch.Size([50, 8])
    """

    def __init__(
        self,
        num_users: int = 2000,
        num_items: int = 1000,
        interactions_per_user: float = 12.0,
        modalities: Mapping[str, int] | None = None,
        strength: float = 0.4,
        noise: float = 0.5,
        missing: float = 0.0,
        popularity_exponent: float = 0.8,
        num_communities: int = 20,
        style_size: int = 8,
        seed: int = 0,
        root: str | os.PathLike[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        force_reload: bool = False,
    ) -> None:
        self.options: dict[str, Any] = {
            "num_users": num_users,
            "num_items": num_items,
            "interactions_per_user": interactions_per_user,
            "modalities": DEFAULT_MODALITIES if modalities is None else modalities,
            "strength": strength,
            "noise": noise,
            "missing": missing,
            "popularity_exponent": popularity_exponent,
            "num_communities": num_communities,
            "style_size": style_size,
            "seed": seed,
        }
        for name in ("num_users", "num_items", "num_communities", "style_size"):
            check_integer(name, self.options[name], 1)
        check_sizes("modalities", self.options["modalities"])
        self.options["modalities"] = dict(self.options["modalities"])
        for name in ("strength", "missing"):
            check_between(name, self.options[name], 0, 1)
        for name in ("noise", "popularity_exponent"):
            check_at_least(name, self.options[name], 0)
        check_integer("seed", seed, 0)
        check_flag("force_reload", force_reload)
        check_at_least("interactions_per_user", interactions_per_user, MIN_INTERACTIONS)
        super().__init__(root, "synthetic", transform, pre_transform, force_reload)

    def fingerprint(self) -> dict[str, Any]:
        """Returns the options, which alone shape the data."""
        return self.options

    def read(self) -> HeteroData:
        """Draws the data."""
        rng = np.random.default_rng(self.options["seed"])
        num_items = self.options["num_items"]
        rank = rng.permutation(num_items)
        popularity = (1.0 + rank) ** -self.options["popularity_exponent"]
        community = rng.integers(self.options["num_communities"], size=num_items)
        style = rng.permutation(num_items) // self.options["style_size"]
        user, item = self._interactions(rng, popularity, community, style)
        return to_hetero_data(
            user,
            item,
            random_split(user, (0.8, 0.1, 0.1), self.options["seed"]),
            num_users=self.options["num_users"],
            item_id=np.arange(num_items),
            features=self._features(rng, style),
            source=repr(self),
        )

    def _interactions(
        self,
        rng: np.random.Generator,
        popularity: np.ndarray,
        community: np.ndarray,
        style: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        num_users, strength = self.options["num_users"], self.options["strength"]
        extra = self.options["interactions_per_user"] - MIN_INTERACTIONS
        count = MIN_INTERACTIONS + np.floor(rng.exponential(extra + 0.5, num_users)).astype(int)
        num_first = np.maximum(1, np.round((1 - strength) * count)).astype(int)
        first_user = np.repeat(np.arange(num_users), num_first)
        homes = rng.choice(np.unique(community), size=(num_users, 2))
        home = homes[first_user, rng.integers(2, size=len(first_user))]
        first_item = _draw(rng, home, community, popularity)
        second_user = np.repeat(np.arange(num_users), count - num_first)
        start = np.cumsum(num_first) - num_first
        anchor = start[second_user] + rng.integers(num_first[second_user])
        second_item = _draw(rng, style[first_item[anchor]], style, popularity)
        user = np.concatenate([first_user, second_user])
        item = np.concatenate([first_item, second_item])
        order = sort_pairs(user, item)
        order = order[latest_of_pairs(user[order], item[order], None)]
        return user[order], item[order]

    def _features(self, rng: np.random.Generator, style: np.ndarray) -> dict[str, Tensor]:
        features = {}
        for modality, size in self.options["modalities"].items():
            centre = rng.standard_normal((style.max() + 1, size), dtype=np.float32)
            x = rng.standard_normal((len(style), size), dtype=np.float32)
            x *= self.options["noise"]
            x += centre[style]
            x[rng.random(len(style)) < self.options["missing"]] = 0
            features[modality] = torch.from_numpy(x)
        return features

    def __repr__(self) -> str:
        shown = ("num_users", "num_items", "strength", "seed")
        return f"{self.__class__.__name__}({', '.join(f'{n}={self.options[n]}' for n in shown)})"


def _draw(
    rng: np.random.Generator, group: np.ndarray, group_of: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Draws a member of each group by inverse transform sampling of the weights."""
    members = np.argsort(group_of, kind="stable")
    line = np.cumsum(weight[members])
    sizes = np.bincount(group_of, minlength=group_of.max() + 1)
    end = np.cumsum(sizes)
    upper = line[end - 1]
    lower = np.where(end == sizes, 0.0, line[np.maximum(end - sizes - 1, 0)])
    point = lower[group] + rng.random(len(group)) * (upper - lower)[group]
    place = np.searchsorted(line, point, side="right")
    drawn: np.ndarray = members[np.clip(place, (end - sizes)[group], end[group] - 1)]
    return drawn
