from collections.abc import Callable, Collection, Iterable
from typing import Any

from torch_geometric.data import Dataset

from soil_pyg.testing import dataset_rules
from soil_pyg.testing.contract import by_name, run_rules
from soil_pyg.testing.dataset_rules import DatasetCase

_CONTRACT = by_name(
    dataset_rules.it_holds_one_graph,
    dataset_rules.users_and_items_are_counted,
    dataset_rules.interactions_are_split,
    dataset_rules.every_user_is_trained_on,
    dataset_rules.features_have_a_row_per_item,
    dataset_rules.ids_are_distinct,
    dataset_rules.the_digest_names_the_content,
    dataset_rules.the_result_repeats,
    dataset_rules.transforms_are_applied,
    dataset_rules.repr_names_the_class,
)
# The names of the rules of check_dataset.
DATASET_RULES = tuple(_CONTRACT)


def check_dataset(
    make_dataset: Callable[..., Dataset],
    *arguments: Any,
    rules: Iterable[str] | None = None,
    skip: Collection[str] = (),
    **options: Any,
) -> None:
    """Checks a data set against what models, transforms and commands read.

    Args:
        make_dataset (callable): The class of the data set, which is made several times.
        *arguments: Its arguments by position.
        rules (list[str], optional): The rules to check, of :obj:`DATASET_RULES`.
            (default: :obj:`None`, all)
        skip (list[str], optional): Rules to leave out. (default: :obj:`()`, none)
        **options: Its arguments by name.

    Raises:
        ContractError: If the data set breaks a rule; the message names it.
        ValueError: If a rule is unknown.

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> check_dataset(SyntheticMultimodal, num_users=50, num_items=30)
    """
    name = getattr(make_dataset, "__qualname__", str(make_dataset))
    run_rules(name, DatasetCase(make_dataset, arguments, options), _CONTRACT, rules, skip)
