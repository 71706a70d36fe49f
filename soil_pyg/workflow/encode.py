import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from soil_pyg.datasets.data_folder import load_description
from soil_pyg.datasets.encoder import Encoder
from soil_pyg.datasets.encoder_states import restored
from soil_pyg.datasets.frames import TableSource
from soil_pyg.datasets.item_table import ItemTable
from soil_pyg.datasets.modality_source import encode_items
from soil_pyg.typing import ITEM
from soil_pyg.utils.checks import check_path, check_string
from soil_pyg.workflow.columns import id_columns

logger = logging.getLogger("soil_pyg")


def encode(
    items: TableSource,
    features: Mapping[str, Encoder],
    like: str | os.PathLike[str],
    *,
    item_column: str | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Computes the features of new items as those of a data folder were computed.

    Encoders that were fitted to the items of the folder, such as
    :class:`~soil_pyg.encoders.TfidfEncoder`, stay as they are. :func:`soil_pyg.add_items` takes the
    result.

    Args:
        items (pandas.DataFrame, str or os.PathLike): The table of the new items.
        features (mapping): The encoder of each modality, as in :func:`soil_pyg.prepare`.
        like (str or os.PathLike): The data folder.
        item_column (str, optional): The column of item ids. (default: that of :obj:`like`)

    Returns:
        The features by modality, one row per item and zeros for missing ones, and the ids of the
        items, in the order of the table.

    Raises:
        FileNotFoundError: If a file or the folder is missing.
        ValueError: If the folder lacks a modality, or another encoder computed it; or the table or
            one of its columns is malformed.

    Example:
        >>> import pandas as pd, tempfile
        >>> from soil_pyg import prepare
        >>> from soil_pyg.encoders import TfidfEncoder
        >>> frame = pd.DataFrame({"user": [1, 1, 2, 2], "item": ["a", "b", "b", "c"]})
        >>> titles = ["green tea", "black tea", "white rum"]
        >>> items = pd.DataFrame({"item": ["a", "b", "c"], "title": titles})
        >>> text = {"text": TfidfEncoder("title")}
        >>> new = pd.DataFrame({"item": ["d", "e"], "title": ["green rum", "gin"]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     prepared = prepare(frame, folder, text, items=items, ratios=(1, 0, 0))
        ...     x, ids = encode(new, text, like=folder)
        >>> ids, x["text"].any(axis=1)
        (array(['d', 'e'], dtype='<U1'), array([ True, False]))
    """
    check_path("like", like)
    if item_column is not None:
        check_string("item_column", item_column)
    if not isinstance(features, Mapping) or not features:
        raise ValueError(f"'features' must map modalities to encoders (got {features!r})")
    known = load_description(like).get("modalities", {})
    fitted, others = restored(features, like)
    for modality, encoder in features.items():
        _check_encoder(modality, encoder, known, like, modality in others)
    table = ItemTable(items, item_column or id_columns(like)[ITEM])
    frame = table.select(table.ids)
    found: dict[str, np.ndarray] = {}
    for modality, encoder in fitted.items():
        found[modality] = encode_items(encoder, frame, f"features[{modality!r}]")
        channels = known[modality]["channels"]
        if found[modality].shape[1] != channels:
            raise ValueError(
                f"'features' (--embed): '{modality}' of '{like}' has {channels} channels "
                f"(got {found[modality].shape[1]})"
            )
    return found, table.ids


def _check_encoder(
    modality: str,
    encoder: Any,
    known: dict[str, dict[str, Any]],
    like: str | os.PathLike[str],
    is_unknown: bool,
) -> None:
    if not isinstance(encoder, Encoder):
        raise ValueError(f"'features' must map {modality!r} to an encoder (got {encoder!r})")
    if modality not in known:
        raise ValueError(
            f"'features' (--embed): '{like}' has no modality '{modality}' (got {list(known)})"
        )
    of_folder = known[modality].get("encoder")
    if of_folder is None:
        raise ValueError(
            f"'features' (--embed): '{modality}' of '{like}' was not computed by 'prepare': "
            "compute that of the new items in the same way"
        )
    name, version = of_folder["name"], of_folder["version"]
    if name != encoder.name or is_unknown:
        got = encoder.name if name != encoder.name else f"{encoder.name} {encoder.version}"
        wanted = name if name != encoder.name else f"{name} {version}"
        raise ValueError(
            f"'features' (--embed): '{modality}' of '{like}' was encoded by '{wanted}' "
            f"(got '{got}')"
        )
    if version != encoder.version:
        message = "%s of '%s' was encoded by another version: %s, and the new items by %s"
        logger.warning(message, modality, like, version, encoder.version)
