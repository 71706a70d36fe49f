import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from soil_pyg.datasets.features import open_matrix
from soil_pyg.datasets.multimodal import MultimodalDataset, read_interactions
from soil_pyg.typing import SPLITS
from soil_pyg.utils.checks import check_choice
from soil_pyg.utils.files import bytes_digest


@dataclass(frozen=True)
class Published:
    """The content of a published data set; :obj:`None` stands for unknown values."""

    counts: tuple[int, int, int]
    """The numbers of users, those that are dropped later included, of items and of interactions."""
    splits: tuple[int, int, int] | None = None
    checksum: str | None = None
    """The SHA-256 digest of the sorted rows :obj:`(userID, itemID, x_label)` as little-endian
    32-bit integers, which depends neither on the order nor on the other columns of the file.
    """
    features: dict[str, str] = field(default_factory=dict)
    """The SHA-256 digest of the features per modality, as little-endian 16-bit floats."""


class PublishedDataset(MultimodalDataset):
    """Base class of public data sets: a :class:`MultimodalDataset` whose content is known.

    Raises :class:`ValueError` if the name is unknown or the interactions differ from the published
    ones.
    """

    published: ClassVar[dict[str, Published]]
    """The content of each data set, by name."""

    source: ClassVar[str]
    """The source of the files and, if necessary, how to make the interaction file."""

    def download(self) -> None:
        """Raises an error that says where to get the files and where to put them."""
        check_choice("name", self.name, self.published)
        raise FileNotFoundError(
            f"{self.raw_paths[0]} is missing. {self.source} The files belong here:\n"
            f"  {self.raw_paths[0]}\n"
            f"  {Path(self.raw_dir) / '<modality>_feat.npy'}  (models without features need none)"
        )

    def fingerprint(self) -> dict[str, Any]:
        """Checks that the files are the published ones and returns their digests."""
        check_choice("name", self.name, self.published)
        path, expected = self.raw_paths[0], self.published[self.name]
        pairs = read_interactions(path)
        names = ("users", "items", "interactions", *(f"{split} pairs" for split in SPLITS))
        found = [len(np.unique(pairs.user)), len(np.unique(pairs.item)), len(pairs.user)]
        found += np.bincount(pairs.label, minlength=3).tolist()
        # Unknown splits end the comparison.
        counts = zip(names, found, expected.counts + (expected.splits or ()), strict=False)
        wrong = [f"{got:,} {name} instead of {n:,}" for name, got, n in counts if got != n]
        rows = np.stack(pairs, axis=1)[np.lexsort((pairs.item, pairs.user))]
        checksum = bytes_digest([rows.astype("<i4").tobytes()])
        if not wrong and expected.checksum not in (None, checksum):
            wrong = [f"the checksum {checksum} instead of {expected.checksum}"]
        if wrong:
            raise ValueError(
                f"{path} is not the published {self.name!r}, so results would not be comparable: "
                f"it has {', '.join(wrong)}; MultimodalDataset accepts it as it is"
            )
        for modality, file in self.feature_paths.items():
            if modality in expected.features:
                features = open_matrix(file).astype("<f2").tobytes()
                if bytes_digest([features]) != expected.features[modality]:
                    warnings.warn(f"{file} does not hold the published features", stacklevel=2)
        return super().fingerprint()
