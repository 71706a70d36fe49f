"""The settings of a model on a data set."""

import logging
from collections.abc import Mapping
from typing import Any

from torch_geometric.data import HeteroData

from soil_pyg.datasets.amazon import Amazon
from soil_pyg.datasets.movielens import MovieLens
from soil_pyg.datasets.tiktok import TikTok
from soil_pyg.training.batches_per_step import batches_per_step
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.workflow.options import ModelOptions

logger = logging.getLogger("soil_pyg")

_PUBLISHED = Amazon.published | MovieLens.published | TikTok.published
_DROPPED = 0.02
"""The largest share of the interactions that are dropped when a published data set is read."""


def settings_on(
    data: HeteroData,
    selected: ModelOptions,
    dataset: str,
    profile: str | None,
    given: dict[str, Any],
    place: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns :meth:`ModelOptions.settings` for a data set of this name. Data that only shares the
    name of a published data set has the settings of unknown data.

    The released aggregation of SOIL is only defined for at least as many users as items. On other
    data the normalised user-item graph replaces it, with a warning; if it is among the given
    options, :class:`ValueError` is raised. The number of batches per step is that of the data and
    of the place, the numbers of devices and of nodes.
    """
    name = dataset if _is_published(dataset, data) else ""
    settings = selected.settings(name, profile, given)
    settings["batches_per_step"] = batches_per_step(
        settings | dict(place or {}), selected.model_class, data[INTERACTS].edge_index.size(1)
    )
    return settings | defined_aggregation(
        settings, given, count_nodes(data, USER), count_nodes(data, ITEM)
    )


def _is_published(name: str, data: HeteroData) -> bool:
    """Returns whether data may be the published data set of a name: it has about as many
    interactions.
    """
    if name not in _PUBLISHED:
        return True
    store, expected = data[INTERACTS], _PUBLISHED[name].counts[2]
    found = sum(store[split].size(1) for split in EDGE_INDICES if split in store)
    if (1 - _DROPPED) * expected <= found <= expected:
        return True
    message = (
        "The data is named %r but is not the published data set (%s interactions instead of %s), "
        "whose settings are not used"
    )
    logger.warning(message, name, f"{found:,}", f"{expected:,}")
    return False


def defined_aggregation(
    settings: Mapping[str, Any], given: Mapping[str, Any], num_users: int, num_items: int
) -> dict[str, Any]:
    """Returns the aggregation that replaces an undefined one, with a warning, or nothing. Raises
    :class:`ValueError` if the undefined one is among the given options.
    """
    if settings.get("aggregation") != "sym_user_index" or num_items <= num_users:
        return {}
    if "aggregation" in given:
        raise ValueError(
            "'aggregation' must be 'sum' or 'sym' for data with more items than users (got "
            f"'sym_user_index' for {num_users} users and {num_items} items)"
        )
    logger.warning(
        "Set aggregation='sym' instead of 'sym_user_index', as there are more items than users"
    )
    return {"aggregation": "sym"}


def resolved_profile(selected: ModelOptions, profile: str | None) -> str | None:
    """Returns the given or the default profile. Raises :class:`ValueError` if one is given and the
    model has none.
    """
    if profile is not None and not selected.model_class.profiles:
        raise ValueError(f"'profile' must be None for model '{selected.spec}' (got '{profile}')")
    return profile or selected.default_profile
