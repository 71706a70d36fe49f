from collections.abc import Collection, Iterable, Mapping
from typing import Any

from soil_pyg.models.base import Recommender
from soil_pyg.testing import model_rules, option_rules, training_rules
from soil_pyg.testing.contract import by_name, run_rules
from soil_pyg.testing.model_case import ModelCase
from soil_pyg.testing.small_data import MODALITIES
from soil_pyg.utils.checks import check_sizes, check_strings

_CONTRACT = by_name(
    option_rules.arguments_are_options,
    option_rules.sizes_below_one_are_refused,
    option_rules.a_multimodal_model_needs_a_modality,
    option_rules.the_seed_decides_the_parameters,
    option_rules.options_and_weights_make_the_model_again,
    option_rules.repr_names_the_class,
    option_rules.graph_transform_returns_a_transform,
    model_rules.forward_returns_two_tables,
    model_rules.forward_draws_no_random_numbers,
    model_rules.forward_follows_the_precision,
    model_rules.held_out_interactions_are_not_read,
    model_rules.numbers_of_nodes_are_inferred,
    model_rules.missing_graphs_and_features_are_refused,
    model_rules.newcomers_get_embeddings_or_a_reason,
    model_rules.decompose_gives_the_score,
    training_rules.loss_returns_finite_terms,
    training_rules.gradients_reach_each_parameter,
    training_rules.each_term_depends_on_the_parameters,
    training_rules.gradients_are_those_of_the_loss,
    training_rules.batches_share_a_propagation,
    training_rules.partitions_give_gradients,
    training_rules.an_epoch_changes_the_model,
)
# The names of the rules of check_model.
MODEL_RULES = tuple(_CONTRACT)


def check_model(
    model_class: type[Recommender],
    options: Mapping[str, Any] | None = None,
    graph_options: Mapping[str, Any] | None = None,
    *,
    in_channels: Mapping[str, int] | None = None,
    rules: Iterable[str] | None = None,
    skip: Collection[str] = (),
    unused: Collection[str] = (),
) -> None:
    """Checks a model against the contract of :class:`~soil_pyg.models.Recommender`, on
    :func:`small_data`.

    Args:
        model_class (type): The class of the model.
        options (dict[str, object], optional): The options of the model, small ones for a fast
            check. (default: :obj:`None`, the defaults)
        graph_options (dict[str, object], optional): The options of its :obj:`graph_transform`.
            (default: :obj:`None`, the defaults)
        in_channels (dict[str, int], optional): The dimension of the features by modality.
            (default: :obj:`None`, :obj:`{"image": 5, "text": 3}`)
        rules (list[str], optional): The rules to check, of :obj:`MODEL_RULES`.
            (default: :obj:`None`, all)
        skip (list[str], optional): Rules to leave out, such as
            :obj:`"gradients_are_those_of_the_loss"` for a model that stops gradients on purpose.
            (default: :obj:`()`, none)
        unused (list[str], optional): The names of parameters that need no gradient.
            (default: :obj:`()`, none)

    Raises:
        ContractError: If the model breaks a rule; the message names it.
        ValueError: If a rule is unknown.
        TypeError: If the class is no :class:`~soil_pyg.models.Recommender`.

    Example:
        >>> from soil_pyg.models import LightGCN
        >>> check_model(LightGCN, {"hidden_channels": 4})
    """
    if not (isinstance(model_class, type) and issubclass(model_class, Recommender)):
        raise TypeError(f"'model_class' must be a subclass of Recommender (got {model_class!r})")
    in_channels = MODALITIES if in_channels is None else in_channels
    check_sizes("in_channels", in_channels)
    if unused:
        check_strings("unused", list(unused))
    case = ModelCase(
        model_class,
        dict(options or {}),
        dict(graph_options or {}),
        dict(in_channels),
        frozenset(unused),
    )
    run_rules(model_class.__name__, case, _CONTRACT, rules, skip)
