"""Descriptions of prepared data, as JSON values."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch_geometric.data import HeteroData

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.datasets.modality_source import ModalitySource, file_of
from soil_pyg.datasets.pair_filter import Dropped
from soil_pyg.datasets.select_pairs import Selection
from soil_pyg.datasets.suspect_ids import alike_ids, placeholder_ids
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, SPLITS, USER, features_of
from soil_pyg.utils.data_checks import count_nodes

logger = logging.getLogger("soil_pyg")

SOURCES = {"interactions", "features", "items", "item_ids", "image_folder", "like"}
"""The arguments that may be paths."""


def counts(data: HeteroData) -> dict[str, int]:
    """Returns the numbers of users, of items and of pairs per split."""
    pairs = (data[INTERACTS][name].size(1) for name in EDGE_INDICES)
    sizes = {"users": count_nodes(data, USER), "items": count_nodes(data, ITEM)}
    return sizes | dict(zip(SPLITS, pairs, strict=True))


def untrained(data: HeteroData, pairs: Selection) -> Dropped:
    """Returns the counts of users without training interactions, and of their selected pairs."""
    kept = sum(counts(data)[split] for split in SPLITS)
    why = "users without training interactions"
    return Dropped(why, data.num_dropped_users, 0, len(pairs.frame) - kept)


def modalities(
    data: HeteroData, features: Mapping[str, ModalitySource]
) -> dict[str, dict[str, Any]]:
    """Returns the channels and the number of missing items of each modality, and its encoder.

    The description of an encoder includes the content that it has :obj:`skipped`.
    """
    found: dict[str, dict[str, Any]] = {}
    for modality, x in features_of(data).items():
        source = features.get(modality)
        found[modality] = {"channels": x.size(1), "missing": int((~x.any(dim=1)).sum())}
        if isinstance(source, Encoder):
            found[modality] |= {
                "encoder": {"name": source.name, "version": source.version},
                "skipped": list(getattr(source, "skipped", ())),
            }
    return found


def log_warnings(description: dict[str, Any], features: Mapping[str, ModalitySource]) -> None:
    """Logs the notices of encoders, the content they skipped, and what most items lack, which may
    be due to other ids.
    """
    num_items = description["counts"]["items"]
    for modality, source in features.items():
        if notice := getattr(source, "notice", ""):
            logger.warning("%s", notice)
        if num_skipped := getattr(source, "num_skipped", 0):
            skipped = ", ".join(getattr(source, "skipped", ()))
            message = "%s: %d pictures cannot be read and are skipped: %s"
            logger.warning(message, modality, num_skipped, skipped)
    lacking = {f"modality {name!r}": m["missing"] for name, m in description["modalities"].items()}
    lacking["row in the table of items"] = description.get("items_without_row", 0)
    for what, number in lacking.items():
        if 2 * number > num_items:
            message = "Most items have no %s (%d of %d): check its ids, names and columns"
            logger.warning(message, what, number, num_items)


def log_suspect_ids(data: HeteroData) -> None:
    """Warns of ids that a person takes for the same, and of those that usually mark a missing id,
    as exports of other programs make them.
    """
    for row, kind in enumerate((USER, ITEM)):
        ids = np.asarray(data[kind].id)
        pairs = alike_ids(ids)
        if pairs:
            message = "%d ids of %ss look like another one, such as %r and %r: clean them"
            logger.warning(message, len(pairs), kind, *pairs[0])
        for place in placeholder_ids(ids):
            number = sum(int((data[INTERACTS][name][row] == place).sum()) for name in EDGE_INDICES)
            message = "The %s %r has %d interactions: drop these rows if it marks a missing id"
            logger.warning(message, kind, str(ids[place]), number)


def plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of :func:`soil_pyg.prepare` as JSON values: paths of files, and names
    of types of other objects.
    """
    return {
        name: _source(value) if name in SOURCES else _value(value)
        for name, value in arguments.items()
    }


def _source(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _source(source) for key, source in value.items()}
    path = file_of(value)
    return str(path.absolute()) if path is not None and path.exists() else _value(value)


def _value(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value if value is None or isinstance(value, str | int | float) else type(value).__name__
