import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from soil_pyg.datasets.multimodal import MultimodalDataset, read_interactions


@dataclass(frozen=True)
class Published:
    """What a published data set must contain; :obj:`None` where it is not known for certain.

    Args:
        num_users (int): Number of users, with those that are dropped later.
        num_items (int): Number of items.
        num_interactions (int): Number of interactions of all splits.
        splits (tuple[int, int, int], optional): Number of training, validation and test
            interactions. (default: :obj:`None`)
        checksum (str, optional): SHA-256 of the rows :obj:`(userID, itemID, x_label)`, sorted, as
            little-endian 32-bit integers: the order and the other columns of the file do not
            matter. (default: :obj:`None`)
        features (dict[str, str]): SHA-256 of the features by modality, as little-endian 16-bit
            floats. (default: :obj:`{}`)
    """

    num_users: int
    num_items: int
    num_interactions: int
    splits: tuple[int, int, int] | None = None
    checksum: str | None = None
    features: dict[str, str] = field(default_factory=dict)


class PublishedDataset(MultimodalDataset):
    """Base class of public data sets: a :class:`MultimodalDataset` whose content is known.

    Args:
        root (str or os.PathLike): The folder that holds the folder of the data set.
        name (str): Name of the data set.
        transform (callable, optional): Applied to the data at every access.
            (default: :obj:`None`)
        pre_transform (callable, optional): Applied to the data before it is stored.
            (default: :obj:`None`)
        force_reload (bool): Whether to prepare the data anew. (default: :obj:`False`)

    Raises:
        FileNotFoundError: If there is no interaction file; the error says where to get it.
        ValueError: If the name is unknown or the interactions are not the published ones.
    """

    published: ClassVar[dict[str, Published]]
    """What each data set must contain, by its name."""

    source: ClassVar[str]
    """Where to get the files and how to make the interaction file, if it needs making."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        name: str,
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        force_reload: bool = False,
    ) -> None:
        if name not in self.published:
            raise ValueError(f"'name' must be one of {', '.join(self.published)} (got {name!r})")
        super().__init__(root, name, transform, pre_transform, force_reload)

    def download(self) -> None:
        """Says which files to put where."""
        raise FileNotFoundError(
            f"{self.raw_paths[0]} is missing. {self.source} The files belong here:\n"
            f"  {self.raw_paths[0]}\n"
            f"  {Path(self.raw_dir) / '<modality>_feat.npy'}  (models without features need none)"
        )

    def fingerprint(self) -> dict[str, Any]:
        """Checks that the files are the published ones and returns their digests."""
        path, expected = self.raw_paths[0], self.published[self.name]
        pairs = read_interactions(path)
        counts = {
            "users": (len(np.unique(pairs.user)), expected.num_users),
            "items": (len(np.unique(pairs.item)), expected.num_items),
            "interactions": (len(pairs.user), expected.num_interactions),
        }
        if expected.splits is not None:
            got = np.bincount(pairs.label, minlength=3).tolist()
            names = ("training pairs", "validation pairs", "test pairs")
            counts |= dict(zip(names, zip(got, expected.splits, strict=True), strict=True))
        wrong = [
            f"{got:,} {name} instead of {n:,}" for name, (got, n) in counts.items() if got != n
        ]
        rows = np.stack(pairs, axis=1)[np.lexsort((pairs.item, pairs.user))]
        checksum = hashlib.sha256(rows.astype("<i4").tobytes()).hexdigest()
        if not wrong and expected.checksum not in (None, checksum):
            wrong = [f"the checksum {checksum} instead of {expected.checksum}"]
        if wrong:
            raise ValueError(
                f"{path} is not the published {self.name!r}, and results would not be comparable: "
                f"it has {', '.join(wrong)}; MultimodalDataset takes it as it is"
            )
        for modality, checksum in expected.features.items():
            self._check_features(modality, checksum)
        return super().fingerprint()

    def _check_features(self, modality: str, expected: str) -> None:
        path = self.feature_paths.get(modality)
        if path is None:
            return
        features = np.load(path, allow_pickle=False).astype("<f2")
        if hashlib.sha256(features.tobytes()).hexdigest() != expected:
            warnings.warn(f"{path} does not hold the published features", stacklevel=2)
