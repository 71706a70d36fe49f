import logging
import os

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.encoders.colour_histogram_encoder import ColourHistogramEncoder
from soil_pyg.encoders.extras import is_installed
from soil_pyg.encoders.picture_encoder import PictureEncoder
from soil_pyg.encoders.text_encoder import TextEncoder
from soil_pyg.encoders.tfidf_encoder import TfidfEncoder
from soil_pyg.encoders.weights import SHIPPED

TEXT, IMAGE = "text", "image"

_FALLBACK = "%s is encoded as %r: pip install 'soil-pyg[embed]' for a neural network"

logger = logging.getLogger("soil_pyg")


def parse_encoder(
    text: str,
    root: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = "auto",
) -> tuple[str, Encoder]:
    """Returns the modality and the encoder that a text describes.

    The text is :obj:`text=COLUMN[:MODEL]` or :obj:`image=FOLDER_OR_COLUMN[:MODEL]`. A modality with
    another name includes the kind, as in :obj:`title:text=COLUMN`. Commas separate several text
    columns. Models are those of :class:`TextEncoder` and :class:`PictureEncoder` and, without a
    neural network, :obj:`tfidf` and :obj:`colour-histogram`.

    Args:
        text (str): The text.
        root (str or os.PathLike, optional): The folder of relative paths in a column of pictures.
            (default: the working directory)
        cache (str or os.PathLike, optional): The folder of computed vectors; :obj:`"auto"` stands
            for :obj:`soil_pyg/embed` in the user's cache and :obj:`None` for no cache.
            (default: :obj:`"auto"`)

    Raises:
        ImportError: If the extra of a model is not installed.
        FileNotFoundError: If the path of a model does not exist.
        ValueError: If the text has another form or the model is unknown on this machine.

    Example:
        >>> modality, encoder = parse_encoder("text=title,brand:tfidf")
        >>> modality, encoder.columns
        ('text', ['title', 'brand'])
    """
    target, _, described = text.partition("=")
    modality, _, kind = target.partition(":")
    # A Windows path begins with a drive and a colon.
    drive, rest = os.path.splitdrive(described)
    source, colon, model = rest.partition(":")
    source = drive + source
    kind = kind or modality
    if kind not in (TEXT, IMAGE) or not (modality and source) or (colon and not model):
        raise ValueError(
            f"an encoder (--embed) must be text=COLUMN[:MODEL] or image=FOLDER_OR_COLUMN[:MODEL], "
            f"with NAME:text=... or NAME:image=... for other names (got {text!r})"
        )
    if kind == TEXT:
        return modality, _text_encoder(source.split(","), model, cache)
    return modality, _picture_encoder(source, model, root, cache)


def _text_encoder(columns: list[str], model: str, cache: str | os.PathLike[str] | None) -> Encoder:
    if model == TfidfEncoder.name:
        return TfidfEncoder(columns)
    if model:
        return TextEncoder(columns, model, cache=cache)
    if is_installed("sentence_transformers"):
        return TextEncoder(columns, cache=cache)
    logger.warning(_FALLBACK, " and ".join(columns), TfidfEncoder.name)
    return TfidfEncoder(columns)


def _picture_encoder(
    source: str,
    model: str,
    root: str | os.PathLike[str] | None,
    cache: str | os.PathLike[str] | None,
) -> Encoder:
    if model == ColourHistogramEncoder.name:
        return ColourHistogramEncoder(source, root=root, cache=cache)
    if model:
        return PictureEncoder(source, model, root=root, cache=cache)
    if is_installed(SHIPPED["efficientnet-lite0"].module):
        return PictureEncoder(source, root=root, cache=cache)
    logger.warning(_FALLBACK, source, ColourHistogramEncoder.name)
    return ColourHistogramEncoder(source, root=root, cache=cache)
