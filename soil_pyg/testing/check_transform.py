from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from torch_geometric.transforms import BaseTransform

from soil_pyg.testing import transform_rules
from soil_pyg.testing.contract import by_name, run_rules
from soil_pyg.testing.small_data import MODALITIES
from soil_pyg.testing.transform_rules import TransformCase
from soil_pyg.utils.checks import check_sizes

_CONTRACT = by_name(
    transform_rules.it_is_a_transform,
    transform_rules.the_given_data_stays,
    transform_rules.graphs_are_well_formed,
    transform_rules.the_result_repeats,
    transform_rules.held_out_interactions_are_not_read,
    transform_rules.numbers_of_nodes_are_inferred,
    transform_rules.the_order_of_interactions_does_not_matter,
    transform_rules.the_block_size_does_not_matter,
    transform_rules.data_without_nodes_is_refused,
)
# The names of the rules of check_transform.
TRANSFORM_RULES = tuple(_CONTRACT)


def check_transform(
    make_transform: Callable[..., BaseTransform],
    options: Mapping[str, Any] | None = None,
    *,
    before: Callable[[Any], Any] | None = None,
    in_channels: Mapping[str, int] | None = None,
    rules: Iterable[str] | None = None,
    skip: Collection[str] = (),
) -> None:
    """Checks a transform that adds graphs to the data, on :func:`small_data`.

    Args:
        make_transform (callable): The class of the transform, or a function that returns one, such
            as the :obj:`graph_transform` of a model.
        options (dict[str, object], optional): Its arguments. (default: :obj:`None`, the defaults)
        before (callable, optional): Applied to the data first, for a transform that reads the
            graphs of another one. (default: :obj:`None`)
        in_channels (dict[str, int], optional): The dimension of the features by modality.
            (default: :obj:`None`, :obj:`{"image": 5, "text": 3}`)
        rules (list[str], optional): The rules to check, of :obj:`TRANSFORM_RULES`.
            (default: :obj:`None`, all)
        skip (list[str], optional): Rules to leave out. (default: :obj:`()`, none)

    Raises:
        ContractError: If the transform breaks a rule; the message names it.
        ValueError: If a rule is unknown.

    Example:
        >>> from soil_pyg.transforms import SimilarityGraph
        >>> check_transform(SimilarityGraph, {"k": 3})
    """
    in_channels = MODALITIES if in_channels is None else in_channels
    check_sizes("in_channels", in_channels)
    case = TransformCase(make_transform, dict(options or {}), dict(in_channels), before)
    name = getattr(make_transform, "__qualname__", str(make_transform))
    run_rules(name, case, _CONTRACT, rules, skip)
