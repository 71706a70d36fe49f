"""How data was prepared, as JSON values."""

from collections.abc import Mapping
from typing import Any

from torch_geometric.data import HeteroData

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.datasets.modality_source import ModalitySource, file_of
from soil_pyg.datasets.pair_filter import Dropped
from soil_pyg.datasets.select_pairs import Selection
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, SPLITS, USER, modalities_of

_EDGES = ("edge_index", "val_edge_label_index", "test_edge_label_index")


def counts(data: HeteroData) -> dict[str, int]:
    """Returns the number of users, of items, and of pairs by split.

    Args:
        data (HeteroData): The data.
    """
    pairs = (data[INTERACTS][name].size(1) for name in _EDGES)
    sizes = {"users": data[USER].num_nodes, "items": data[ITEM].num_nodes}
    return sizes | dict(zip(SPLITS, pairs, strict=True))


def untrained(data: HeteroData, pairs: Selection) -> Dropped:
    """Returns what was dropped with the users that have no training interactions.

    Args:
        data (HeteroData): The data.
        pairs (Selection): The interactions that it was made of.
    """
    kept = sum(counts(data)[split] for split in SPLITS)
    why = "users without training interactions"
    return Dropped(why, data.num_dropped_users, 0, len(pairs.frame) - kept)


def modalities(
    data: HeteroData, features: Mapping[str, ModalitySource]
) -> dict[str, dict[str, Any]]:
    """Returns the size of each modality, how many items lack it, and its encoder, if it has one.

    What an encoder lists as :obj:`skipped` is kept, too.

    Args:
        data (HeteroData): The data.
        features (mapping): The sources by modality.
    """
    found: dict[str, dict[str, Any]] = {}
    for modality in modalities_of(data):
        x, source = data[ITEM][FEATURE_PREFIX + modality], features.get(modality)
        found[modality] = {"channels": x.size(1), "missing": int((~x.any(dim=1)).sum())}
        if isinstance(source, Encoder):
            found[modality] |= {
                "encoder": {"name": source.name, "version": source.version},
                "skipped": list(getattr(source, "skipped", ())),
            }
    return found


def plain(value: Any) -> Any:
    """Returns an argument as a JSON value: files as their paths, what is no value as its type.

    Args:
        value (Any): The argument.
    """
    if isinstance(value, Mapping):
        return {key: plain(source) for key, source in value.items()}
    if (path := file_of(value)) is not None and path.exists():
        return str(path.absolute())
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple) and all(isinstance(share, float) for share in value):
        return list(value)
    return type(value).__name__
