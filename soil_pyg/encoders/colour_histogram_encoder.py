import os

import numpy as np
import PIL
from PIL import Image

from soil_pyg.encoders.picture_file_encoder import PictureFileEncoder
from soil_pyg.utils.checks import check_between, check_integer

_SIZE = 64
"""The width and height that pictures are resized to."""


class ColourHistogramEncoder(PictureFileEncoder):
    r"""Encodes the pictures of items by their colours, without a neural network.

    .. math::
        x_b = \sqrt{h_b}

    where :math:`h_b` is the share of pixels whose red, green and blue values fall into bin
    :math:`b`. The inner product of two pictures is the Bhattacharyya coefficient of their colours,
    between 0 and 1.

    Args:
        source (str or os.PathLike): A column of paths in the table of items, or a folder whose
            pictures are named after the items, such as :obj:`tea.jpg`. :obj:`"FOLDER/{item}"` is
            that folder even if a column has names of its pictures.
        bins (int): The number of bins per colour channel. (default: :obj:`4`)
        root (str or os.PathLike, optional): The folder of relative paths in a column.
            (default: the working directory)
        cache (str or os.PathLike, optional): The folder of computed vectors; :obj:`"auto"` stands
            for :obj:`soil_pyg/embed` in the user's cache and :obj:`None` for no cache.
            (default: :obj:`"auto"`)

    Raises:
        ValueError: If :obj:`bins` is not between 1 and 256.
    """

    name = "colour-histogram"

    def __init__(
        self,
        source: str | os.PathLike[str],
        bins: int = 4,
        *,
        root: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = "auto",
    ) -> None:
        super().__init__(source, root, batch_size=256, cache=cache)
        check_integer("bins", bins)
        check_between("bins", bins, 1, 256)
        self.bins = bins

    @property
    def version(self) -> str:
        """The number of bins and the version of Pillow."""
        # The text is part of the names of caches.
        return f"{self.bins} boxes a colour, Pillow {PIL.__version__}"

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Returns the vector of a picture in RGB."""
        small = image.resize((_SIZE, _SIZE), Image.Resampling.BOX)
        red, green, blue = np.asarray(small, dtype=np.int64).reshape(-1, 3).T * self.bins // 256
        box = (red * self.bins + green) * self.bins + blue
        shares = np.bincount(box, minlength=self.bins**3) / len(box)
        return np.sqrt(shares)

    def encode_batch(self, prepared: list[np.ndarray]) -> np.ndarray:
        """Stacks the vectors of pictures."""
        return np.stack(prepared)
