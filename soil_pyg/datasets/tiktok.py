import os
from collections.abc import Callable
from typing import Any, ClassVar

from soil_pyg.datasets.published import Published, PublishedDataset


class TikTok(PublishedDataset):
    r"""Micro-videos of TikTok with visual and acoustic features (128 columns each), as published
    with `DiffMM <https://github.com/HKUDS/DiffMM>`_ in :obj:`Datasets/tiktok`.

    The interactions are published as pickled matrices, which this library does not open;
    :obj:`data/README.md` shows how to convert them to :obj:`tiktok.inter`.

    **Statistics:**

    .. list-table::
        :widths: 15 15 15 20 40
        :header-rows: 1

        * - Name
          - #users
          - #items
          - #interactions
          - #training / validation / test
        * - tiktok
          - 9,308
          - 6,710
          - 68,722
          - 59,541 / 3,051 / 6,130

    10 users without training interactions are dropped; 465 items without any stay.

    Args:
        root (str or os.PathLike): The folder that holds the folder :obj:`tiktok`.
            (default: :obj:`"data"`)
        transform, pre_transform, force_reload (optional): See :class:`HeteroDataset`.

    Raises:
        FileNotFoundError: If there is no interaction file; the error says where to get it.
        ValueError: If the interactions differ from the published ones.
    """

    published: ClassVar[dict[str, Published]] = {
        "tiktok": Published(
            counts=(9_308, 6_710, 68_722),
            splits=(59_541, 3_051, 6_130),
            checksum="0c34ba65883148961309e0d6ef7246d818e40cc4ba8be20442ac249032cf7f40",
            features={
                "image": "d8a4922d79b1887945dea7eb401cf987b7807ac8a8a081cb149f6dac3fcb893b",
                "audio": "25cb751a897710e561638834d340387ac7b73fb1c73643140fb1c149f21b6b4c",
            },
        )
    }
    source = (
        "Take the folder Datasets/tiktok of https://github.com/HKUDS/DiffMM and make tiktok.inter "
        "(tab-separated, header 'userID itemID x_label') from its matrices: one line per entry, "
        "its row, its column, and 0 for trnMat, 1 for valMat or 2 for tstMat (see data/README.md)."
    )

    def __init__(
        self,
        root: str | os.PathLike[str] = "data",
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        force_reload: bool = False,
    ) -> None:
        super().__init__(root, "tiktok", transform, pre_transform, force_reload)
