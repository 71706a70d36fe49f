"""Runs the rules of a contract and names the one that is broken."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from soil_pyg.utils.checks import check_choice

Case = TypeVar("Case")


class ContractError(AssertionError):
    """Raised if a model, a transform or a data set breaks a rule of its contract.

    The message names the rule, says what it demands and what was found.
    """


def require(condition: bool, found: str) -> None:
    """Raises :class:`AssertionError` that says what was found unless a condition holds."""
    if not condition:
        raise AssertionError(found)


def require_refusal(call: Callable[[], object], what: str, *names: str) -> None:
    """Raises :class:`AssertionError` unless a call raises a :class:`ValueError` that contains the
    given names.
    """
    try:
        call()
    except ValueError as error:
        missing = [name for name in names if name not in str(error)]
        require(not missing, f"the error for {what} lacks {missing}: {error}")
    else:
        raise AssertionError(f"{what} is accepted.")


def by_name(*rules: Callable[[Case], None]) -> dict[str, Callable[[Case], None]]:
    """Returns rules by the names of their functions."""
    return {rule.__name__: rule for rule in rules}


def run_rules(
    subject: str,
    case: Case,
    contract: Mapping[str, Callable[[Case], None]],
    rules: Iterable[str] | None = None,
    skip: Collection[str] = (),
) -> None:
    """Runs rules on a case.

    Args:
        subject (str): What is checked, for messages.
        case (object): The argument of the rules.
        contract (dict[str, callable]): All rules; their docstrings say what they demand.
        rules (list[str], optional): The names of those to run. (default: :obj:`None`, all)
        skip (list[str], optional): The names of those to leave out. (default: :obj:`()`, none)

    Raises:
        ContractError: If a rule is broken.
        ValueError: If a name is unknown.
    """
    chosen = list(contract if rules is None else rules)
    for argument, names in (("rules", chosen), ("skip", skip)):
        for name in names:
            check_choice(argument, name, list(contract))
    for name in chosen:
        if name in skip:
            continue
        rule = contract[name]
        try:
            rule(case)
        except Exception as error:
            demand = (inspect.getdoc(rule) or "").split("\n\n")[0].replace("\n", " ")
            kind = "" if type(error) is AssertionError else f"{type(error).__name__}: "
            raise ContractError(
                f"{subject} breaks the rule {name!r}: {demand} Found: {kind}{error}"
            ) from error
