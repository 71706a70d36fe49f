"""The split of a data folder, which later data keeps."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import load_data_folder, load_description
from soil_pyg.datasets.ids import Ids, find_ids
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER, modalities_of
from soil_pyg.utils.checks import check_path


@dataclass(frozen=True)
class KnownSplit:
    """The pairs of a data folder with the label of their split, and the arguments of
    :func:`soil_pyg.prepare` that made it.
    """

    user: Ids
    item: Ids
    label: np.ndarray
    arguments: dict[str, Any]
    digest: str
    modalities: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "KnownSplit":
        """Reads a data folder. Raises :class:`FileNotFoundError` if there is none, and
        :class:`ValueError` if it is damaged or lacks the ids of its users and items.
        """
        check_path("like", folder)
        folder = Path(folder).expanduser()
        data = load_data_folder(folder)
        arguments = load_description(folder).get("arguments")
        store = data[INTERACTS] if INTERACTS in data.edge_types else {}
        if not isinstance(arguments, dict) or any(name not in store for name in EDGE_INDICES):
            raise ValueError(
                f"'like' (--like) must be a folder written by 'prepare' (got '{folder}')"
            )
        edges = [store[name] for name in EDGE_INDICES]
        user, item = torch.cat(edges, dim=1).numpy()
        label = np.repeat(np.arange(len(edges)), [edge.size(1) for edge in edges])
        user_id, item_id = (_ids(data, node_type, folder) for node_type in (USER, ITEM))
        return cls(
            Ids(user, user_id),
            Ids(item, item_id),
            label,
            arguments,
            str(getattr(data, "digest", "")),
            tuple(modalities_of(data)),
        )

    @property
    def split(self) -> str | None:
        """The kind of the split, or :obj:`None` if it was given by a column."""
        if self.arguments.get("split_column") is not None:
            return None
        return str(self.arguments.get("split") or "random")

    def unlike(self, arguments: Mapping[str, Any]) -> list[str]:
        """Returns the filters of the interactions that are not those of the given arguments, as
        they were set.
        """
        names = ("rating_column", "min_rating", "k_core")
        known = {name: self.arguments.get(name) for name in names}
        known["k_core"] = known["k_core"] or 1
        return [f"{name}={value}" for name, value in known.items() if value != arguments.get(name)]

    def labels(self, user: Ids, item: Ids) -> np.ndarray:
        """Returns the label of each pair, -1 for pairs that are not known."""
        user_place, item_place = (
            find_ids(ids.values, known.values)[ids.position]
            for ids, known in ((user, self.user), (item, self.item))
        )
        num_items = len(self.item.values)
        known = self.user.position * num_items + self.item.position
        order = np.argsort(known)
        pair = user_place * num_items + item_place
        place = np.minimum(np.searchsorted(known, pair, sorter=order), len(known) - 1)
        is_known = (user_place >= 0) & (item_place >= 0) & (known[order[place]] == pair)
        return np.where(is_known, self.label[order[place]], -1)


def _ids(data: HeteroData, node_type: str, folder: Path) -> np.ndarray:
    ids = np.asarray(data[node_type].get("id", ()))
    if ids.shape != (data[node_type].num_nodes,) or ids.dtype.kind not in "iuUO":
        raise ValueError(
            f"'like' (--like) must be a data folder with one id per {node_type} (got '{folder}', "
            f"with {len(ids)} ids for {data[node_type].num_nodes} {node_type}s)"
        )
    return ids
