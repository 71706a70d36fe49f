from pathlib import Path
from typing import ClassVar

from soil_pyg.datasets.published import Published, PublishedDataset


class Amazon(PublishedDataset):
    r"""The Amazon review data sets (5-core) with the splits and features of `MMRec
    <https://github.com/enoche/MMRec>`_.

    MMRec shares them in a `Google Drive folder <https://drive.google.com/drive/folders/13cBy1EA_saTUuXxVllKgtfci2A09jyaG>`_,
    with the features :obj:`image_feat.npy` (4,096 columns) and :obj:`text_feat.npy` (384 columns).
    Electronics is called :obj:`elec` there, and its folder may keep that name. Without feature
    files, only models that need no features can run.

    **Statistics:**

    .. list-table::
        :widths: 20 15 15 20 40
        :header-rows: 1

        * - Name
          - #users
          - #items
          - #interactions
          - #training / validation / test
        * - baby
          - 19,445
          - 7,050
          - 160,792
          - 118,551 / 20,559 / 21,682
        * - sports
          - 35,598
          - 18,357
          - 296,337
          - not checked
        * - clothing
          - 39,387
          - 23,033
          - 278,677
          - not checked
        * - electronics
          - 192,403
          - 63,001
          - 1,689,188
          - not checked

    Args:
        root (str or os.PathLike): The folder that holds the folder of the data set.
        name (str): :obj:`"baby"`, :obj:`"sports"`, :obj:`"clothing"` or :obj:`"electronics"`.
        transform, pre_transform, force_reload (optional): See :class:`HeteroDataset`.

    Raises:
        FileNotFoundError: If there is no interaction file; the error says where to get it.
        ValueError: If the name is unknown or the interactions differ from the published ones.
    """

    source = (
        "Download the folder of the data set from MMRec (https://github.com/enoche/MMRec): "
        "https://drive.google.com/drive/folders/13cBy1EA_saTUuXxVllKgtfci2A09jyaG "
        "(electronics is called 'elec' there and may keep that name)."
    )
    published: ClassVar[dict[str, Published]] = {
        "baby": Published(
            counts=(19_445, 7_050, 160_792),
            splits=(118_551, 20_559, 21_682),
            checksum="477412bd368aac9acfe9aefa9ed508f3373e4ae021e988c9c45d9ba13567d91a",
        ),
        "sports": Published((35_598, 18_357, 296_337)),
        "clothing": Published((39_387, 23_033, 278_677)),
        "electronics": Published((192_403, 63_001, 1_689_188)),
    }

    @property
    def folder_name(self) -> str:
        """The name of the data set's folder and of its interaction file."""
        is_short = (Path(self.root) / "elec" / "elec.inter").is_file()
        return "elec" if self.name == "electronics" and is_short else self.name
